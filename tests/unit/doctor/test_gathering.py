"""Facts of this machine, on real files, sockets and certificates."""

import json
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from meldeweg.doctor import examining, gather_files, gather_net, judging, subjects
from meldeweg.kernel.clock import FixedClock, SystemClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import HttpSettings, KafkaSettings
from meldeweg.local.pki import DemoPki
from unit.conftest import NOW

POLICE = AgencyId("polizei-viersen")


def kafka(credential, bootstrap="127.0.0.1:1", **changes):
    given = {"ca": credential.ca, "cert": credential.cert, "key": credential.key}
    return KafkaSettings(bootstrap=bootstrap, **(given | changes))


def judged(settings, now=None):
    facts = gather_files.certificate(settings)
    now = now or SystemClock().now()
    return [each.code for each in judging.certificate("x", facts, "gw-polizei-viersen", now)]


def test_a_good_certificate_an_ended_one_a_foreign_one_and_a_key_that_is_not_its(tmp_path):
    pki, other = DemoPki(tmp_path / "a"), DemoPki(tmp_path / "b")
    old = DemoPki(tmp_path / "c", FixedClock(SystemClock().now() - timedelta(days=200)))
    good, foreign, ended = (each.gateway(POLICE) for each in (pki, other, old))
    assert judged(kafka(good)) == []
    assert judged(kafka(good, cert=foreign.cert)) == ["certificate-wrong-ca"]
    assert judged(kafka(good, cert=pki.service("watch").cert)) == ["certificate-wrong-name"]
    assert judged(kafka(good, key=foreign.key)) == ["certificate-key-mismatch"]
    assert judged(kafka(foreign, ca=good.ca)) == ["certificate-wrong-ca"]
    assert judged(kafka(ended)) == ["certificate-expired"]
    assert judged(kafka(ended), SystemClock().now() - timedelta(days=30)) == [
        "certificate-near-end"
    ]
    assert judged(kafka(good, cert=tmp_path / "gone")) == ["certificate-unreadable"]
    (tmp_path / "junk").write_text("-----BEGIN")
    assert judged(kafka(good, key=tmp_path / "junk")) == ["certificate-unreadable"]
    assert judged(kafka(pki.service("watch"))) == ["certificate-wrong-name"]


def stored(path, demanded=0.0):
    return [each.code for each in judging.store("x", gather_files.store(path, demanded))]


def test_a_store_that_is_fine_missing_in_the_way_or_short_of_room(tmp_path):
    assert stored(tmp_path) == []
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    assert stored(tmp_path / "gone") == ["store-not-writable"]
    assert stored(Path("/proc")) == ["store-not-writable"]
    assert stored(tmp_path, demanded=1.0) == ["disk-nearly-full"]


@pytest.fixture
def mounted(tmp_path):
    """A small disk of its own."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_and_a_read_only_one_are_told_apart(mounted):
    assert stored(mounted) == []
    filler = b"x" * 128 * 1024
    with pytest.raises(OSError, match="No space"):
        (mounted / "filler").write_bytes(filler)
    assert stored(mounted) == ["disk-full"]
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    assert stored(mounted) == ["store-not-writable"]


def keys_of(path, now=NOW):
    return [each.code for each in judging.keyring("x", gather_files.keyring(path), now)]


def test_keys_that_are_fine_ended_uncertified_open_or_gone(places, tmp_path):
    directory = tmp_path / "keys"
    shutil.copytree(places.keys(POLICE), directory)
    assert keys_of(directory) == []
    assert keys_of(directory, NOW + timedelta(days=400)) == ["key-expired"] * 3
    assert keys_of(directory, NOW + timedelta(days=340)) == ["key-near-end"] * 3
    private = next(directory.glob("*.jwk"))
    certificate = private.with_suffix(".jws")
    kept = certificate.read_bytes()
    certificate.unlink()
    assert set(keys_of(directory)) == {"key-uncertified", "key-missing"}
    certificate.write_bytes(kept)
    private.chmod(0o644)
    assert keys_of(directory) == ["keys-unreadable"]
    private.unlink()
    assert keys_of(directory) == ["key-private-missing"]
    certificate.write_bytes(b"nonsense")
    assert keys_of(directory) == ["keys-unreadable"]
    assert keys_of(tmp_path / "gone") == ["keys-unreadable"]


def test_a_taken_port_is_found_and_a_free_one_is_none():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = HttpSettings(port=server.getsockname()[1])
        assert gather_files.port(taken, runs_here=False).taken_by == "another"
        assert gather_files.port(taken, runs_here=True).taken_by == "itself"
    assert gather_files.port(taken, runs_here=False).taken_by == ""


def test_an_address_that_is_none_of_this_machine_is_found():
    elsewhere = HttpSettings(host="192.0.2.1", port=4711, plain=True)  # TEST-NET-1, RFC 5737
    facts = gather_files.port(elsewhere, runs_here=False)
    assert (facts.taken_by, facts.trouble) == ("", "EADDRNOTAVAIL")


def test_what_the_api_shows_to_its_callers_is_looked_at(tmp_path):
    now = SystemClock().now()
    good = DemoPki(tmp_path / "a").gateway(POLICE)
    ended = DemoPki(tmp_path / "b", FixedClock(now - timedelta(days=200))).gateway(POLICE)

    def found(cert, key):
        facts = gather_files.server_certificate(HttpSettings(cert=cert, key=key))
        return [each.code for each in judging.certificate("x", facts, "", now)]

    assert found(good.cert, good.key) == []
    assert found(ended.cert, ended.key) == ["certificate-expired"]
    assert found(good.cert, ended.key) == ["certificate-key-mismatch"]
    assert found(tmp_path / "gone", good.key) == ["certificate-unreadable"]
    assert gather_files.server_certificate(HttpSettings()) is None

    report = examining.Report()
    listens = HttpSettings(cert=ended.cert, key=ended.key)
    subject = examining.Subject("x", "gw-x", kafka(good), listens=listens)
    examining._service(subject, SystemClock(), report)
    assert [each.code for each in report.findings] == ["certificate-expired"]


def test_nobody_at_the_brokers_address_and_somebody_who_is_no_broker(tmp_path):
    credential = DemoPki(tmp_path).gateway(POLICE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert gather_net.broker(kafka(credential, address)).code == "broker-unreachable"
    assert gather_net.broker(kafka(credential, "nowhere.invalid:9092")).code == "broker-unreachable"


def test_a_database_that_is_not_there_is_named_by_its_state_alone():
    said = gather_net.database("postgresql://x:geheim@127.0.0.1:1/x")
    assert said
    assert "geheim" not in said


def found_of(**subject):
    report = examining.Report()
    examining._service(examining.Subject("x", "gw-x", None, **subject), SystemClock(), report)
    return [each.code for each in report.findings]


def test_a_service_that_does_not_run_is_not_all_well():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    listens = HttpSettings(port=port)
    assert found_of(url=f"http://127.0.0.1:{port}", listens=listens) == ["service-unreachable"]
    assert found_of(listens=HttpSettings()) == []  # a port that nobody knows before it runs
    elsewhere = HttpSettings(host="192.0.2.1", port=port, plain=True)
    assert found_of(listens=elsewhere) == ["address-unusable"]


def test_an_audit_log_that_does_not_answer_is_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    for address in (nobody, "http://127.0.0.1:abc", "http://[::1", "http://a b:80"):
        assert found_of(audit=address) == ["audit-unreachable"]


@pytest.mark.parametrize(
    ("status", "said", "codes"),
    [
        (200, b'{"service": "audit", "ready": true, "missing": {}}', []),
        (503, b'{"service": "audit", "missing": {"database": "x"}}', ["audit-unreachable"]),
        (200, b'{"service": "watch", "ready": true, "missing": {}}', ["audit-unreachable"]),
        (404, b"nothing here", ["audit-unreachable"]),
    ],
)
def test_an_audit_log_that_is_not_ready_or_none_is_found(status, said, codes):
    with answering(status, said) as port:
        assert found_of(audit=f"http://127.0.0.1:{port}") == codes


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (b'{"service": "x", "ready": true, "missing": {}}', []),
        (b'{"service": "x", "missing": {"broker": "y"}}', ["service-not-ready"]),
        (b'{"service": "gateway-of-another", "missing": {}}', ["port-taken"]),
        (b"nothing here", ["port-taken"]),
    ],
)
def test_another_service_at_our_address_is_not_ours(said, codes):
    with answering(200, said) as port:
        url, listens = f"http://127.0.0.1:{port}", HttpSettings(port=port)
        assert found_of(url=url, listens=listens) == codes
        of_a_stack = [code.replace("port-taken", "service-unreachable") for code in codes]
        assert found_of(url=url) == of_a_stack


def test_a_stack_that_does_not_run_tells_whose_port_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        (tmp_path / "ports.json").write_text(json.dumps({"watch": taken}))
        (found,) = subjects.taken_ports(tmp_path)
        assert "(watch)" in found
        assert str(taken) in found
        (tmp_path / "processes.json").touch()  # a stack that starts has its ports itself
        assert subjects.taken_ports(tmp_path) == []
        (tmp_path / "processes.json").unlink()
    assert subjects.taken_ports(tmp_path) == []
    assert subjects.taken_ports(tmp_path / "nowhere") == []


def clocks_of(*subjects):
    report = examining.Report()
    for subject in subjects:
        examining._service(subject, SystemClock(), report)
    examining.compare_clocks("stack", report)
    return {(each.subject, each.code): each.detail for each in report.findings}


def ready(name):
    return json.dumps({"service": name, "missing": {}}).encode()


def test_a_clock_is_compared_with_the_service_that_was_named_and_with_no_other():
    hour = timedelta(hours=1)
    with answering(200, ready("watch"), hour) as port:
        url = f"http://127.0.0.1:{port}"
        found = clocks_of(examining.Subject("watch", "service-watch", None, url=url))
        assert set(found) == {("watch", "clock-differs")}
        assert f"watch, {url}" in found["watch", "clock-differs"]
        # Another one at this address, whose clock is none of ours.
        found = clocks_of(examining.Subject("registry", "service-registry", None, url=url))
        assert set(found) == {("registry", "service-unreachable")}


def test_services_that_disagree_among_themselves_are_said_with_each_ones_clock():
    with (
        answering(200, ready("watch"), timedelta(minutes=-4)) as one,
        answering(200, ready("audit"), timedelta(minutes=4)) as other,
    ):
        urls = [f"http://127.0.0.1:{port}" for port in (one, other)]
        watch = examining.Subject("watch", "service-watch", None, url=urls[0])
        audit = examining.Subject("audit", "service-audit", None, url=urls[1])
        found = clocks_of(watch, audit)
        assert set(found) == {("stack", "clocks-disagree")}  # each is near enough to ours
        told = found["stack", "clocks-disagree"]
        assert told.index(f"watch, {urls[0]}: -24") < told.index(f"audit, {urls[1]}: +2")
        assert clocks_of(watch, watch) == {}
        # A gateway and the audit log that it asks
        asks = examining.Subject("watch", "service-watch", None, url=urls[0], audit=urls[1])
        assert set(clocks_of(asks)) == {("stack", "clocks-disagree")}


@contextmanager
def answering(status, said, ahead=timedelta()):
    class Answer(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return super().date_time_string((SystemClock().now() + ahead).timestamp())

        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("said", ["postgresql://x:geheim@127.0.0.1:1/x", "no address", None])
def test_a_database_that_is_not_there_is_a_finding(tmp_path, said):
    place = tmp_path / "database.uri"
    if said is not None:
        place.write_text(said)
    report = examining.Report()
    examining._database(examining.Subject("x", "service-x", None, database=place), report)
    assert [each.code for each in report.findings] == ["database-unreachable"]
    assert "geheim" not in report.findings[0].detail
    assert not report.reached
