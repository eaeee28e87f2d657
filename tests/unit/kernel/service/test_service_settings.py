"""A service that is told wrong says so and exits with 2; and what its settings do to it."""

import json
import socket
import ssl
import time

import pytest

from meldeweg.local.pki import DemoPki
from unit.kernel.service.process import BASIC


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"MELDEWEG_MOD": "demo"}, "setting-unknown"),
        (
            {
                "MELDEWEG_MODE": "production",
                "MELDEWEG_HTTP__PLAIN": "true",
                "MELDEWEG_FAILPOINTS": "a=kill",
            },
            "setting-seam",
        ),
        ({"MELDEWEG_FAILPOINTS": "a=kill"}, "setting-failpoints"),
        ({"MELDEWEG_CLOCK_OFFSET": "1e300"}, "setting-invalid"),
    ],
)
def test_a_wrong_setting_exits_with_2_and_names_it(service, env, code):
    exit_code, _, lines = service(BASIC, **env).end(None)
    assert exit_code == 2
    assert lines[-1]["event"] == "service_refused"
    assert lines[-1]["error"][0]["code"].startswith(code)


def test_a_host_of_another_machine_exits_with_2_as_any_wrong_setting(service):
    env = {"MELDEWEG_HTTP__HOST": "192.0.2.1", "MELDEWEG_HTTP__PLAIN": "true"}
    exit_code, _, lines = service(BASIC, **env).end(None)
    assert exit_code == 2
    assert "(MELDEWEG_HTTP__HOST)" in lines[-1]["error"][0]["detail"]


def test_a_file_that_a_setting_names_exits_with_2_whatever_its_code(service):
    refusal = 'raise Fatal("key-file-open", "key (MELDEWEG_KEY): chmod 600")'
    exit_code, _, lines = service(refusal).end(None)
    assert exit_code == 2
    assert lines[-1]["error"][0]["code"] == "key-file-open"


def test_a_setting_that_shows_to_be_wrong_at_the_start_exits_with_2_and_is_named(service):
    process = service(
        BASIC
        + """
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.settings import said
class Custody(Part):
    async def start(self): raise WrongSetting("vault-key-wrong", said("vault_key"))
service.part("custody", Custody("custody"))
"""
    )
    exit_code, _, lines = process.end(None)
    assert exit_code == 2
    assert "MELDEWEG_VAULT_KEY" in json.dumps(lines)


def test_a_taken_port_is_named(service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        exit_code, _, lines = service(BASIC, MELDEWEG_HTTP__PORT=port).end(None)
    assert exit_code == 10
    assert lines[-1]["error"][0]["detail"] == f"cannot listen on 127.0.0.1:{port}"


def test_query_strings_never_reach_the_log(service):
    process = service(BASIC)
    process.until("/readyz", 200)
    process.get("/healthz?q=Grefrath")
    process.get("/nothing?q=Grefrath")
    assert "Grefrath" not in json.dumps(process.end()[2])


def test_https_by_setting(service, tmp_path):
    files = DemoPki(tmp_path / "pki").broker(1)
    process = service(BASIC, MELDEWEG_HTTP__CERT=str(files.cert), MELDEWEG_HTTP__KEY=str(files.key))
    context = ssl.create_default_context(cafile=files.ca)
    assert process.get("/healthz", scheme="https", context=context)[0] == 200


def test_the_clock_is_bent_by_its_setting(service):
    process = service(BASIC, MELDEWEG_CLOCK_OFFSET="86400000")
    process.until("/readyz", 200)
    lines = process.end()[2]
    assert lines[0]["at"] > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_000_000))  # noqa: TID251 - against the real one
