"""`meldeweg`, a process of its own for each command, against the whole stack."""

import json
import time

import pytest

import plain
from e2e.asking import eventually
from e2e.invented import KEMPEN, KREIS, LABELS, OFFICER, PLACES, POLICE, WORKER
from meldeweg import __version__


@pytest.fixture(scope="module")
def here(district):
    return ("--dir", district.directory)


@pytest.fixture(scope="module")
def reported(district, here, tmp_path_factory):
    """A report that was sent by `meldeweg send`; its JSON answer."""
    file = tmp_path_factory.mktemp("send") / "content.json"
    content = district.content()
    file.write_text(json.dumps(content))
    labels = [part for name, text in LABELS.items() for part in ("--label", f"{name}={text}")]
    order = ("send", file, "--person", OFFICER, "--place", PLACES[KREIS], *labels, *here)
    order = (*order, "--agency", POLICE)
    preview = district.cli_json(*order, "--dry-run")
    assert preview["recipient"] == KREIS
    key = ("--key", "vorgang-4711-a")
    accepted = district.cli_json(*order, *key)
    assert district.cli_json(*order, *key)["id"] == accepted["id"]
    file.unlink()
    return accepted


def test_send_inbox_open_acknowledge_and_message_tell_one_story(district, here, reported):
    assert reported["recipient"] == KREIS
    district.arrived(KREIS, reported["id"])
    office = (*here, "--agency", KREIS)
    page = district.cli_json("inbox", *office, "--limit", "200")
    assert reported["id"] in [item["id"] for item in page["items"]]
    assert reported["kennzeichen"] in district.cli("inbox", *office, "--limit", "200")
    kennzeichen = reported["kennzeichen"]
    early = district.cli("inbox", "acknowledge", kennzeichen, "--person", WORKER, *office, code=1)
    assert "not-opened" in early
    opened = district.cli_json("inbox", "open", kennzeichen, "--person", WORKER, *office)
    assert opened["content"]["grounds"] == ["domestic-violence", "alcohol-excess"]
    given = district.cli_json("inbox", "acknowledge", kennzeichen, "--person", WORKER, *office)
    assert given["kind"] == "acknowledged"
    district.becomes(reported["id"], "acknowledged")
    seen = district.cli_json("message", kennzeichen, *here, "--agency", POLICE)
    assert [step["kind"] for step in seen["timeline"]][-2:] == ["delivered", "acknowledged"]
    shown = district.cli("message", kennzeichen, *here, "--agency", POLICE)
    assert kennzeichen in shown
    assert "bestätigt" in shown


def test_what_is_refused_ends_with_1_and_names_the_rule(district, here):
    order = ("send", "-", "--person", OFFICER, "--place", "05362012", *here, "--agency", POLICE)
    text = json.dumps(district.content())
    assert "not-covered" in district.cli(*order, stdin=text, code=1)
    said = json.loads(district.cli(*order, "--json", stdin=text, code=1))
    assert (said["error"], said["exit"]) == ("not-covered", 1)
    assert said["problem"]["rule"]
    assert said["problem"]["call"]["office"]


def test_wrong_use_ends_with_2_and_what_cannot_be_reached_with_3(district, here, tmp_path):
    district.cli("send", code=2)
    district.cli("inbox", *here, code=2)  # there are several agencies: which?
    district.cli("inbox", "--dir", tmp_path, "--agency", POLICE, code=3)
    token = tmp_path / "token"
    token.write_text("x")
    district.cli("inbox", "--url", "http://127.0.0.1:9", "--token-file", token, code=3)
    district.cli("local", "status", "--dir", tmp_path, code=3)


def test_a_token_is_made_and_revoked_within_a_second(district, here, tmp_path):
    police = (*here, "--agency", POLICE)
    file = tmp_path / "token"
    made = district.cli_json("token", "create", "leser", "--scope", "read", "--out", file, *police)
    assert made["scopes"] == ["read"]
    assert file.stat().st_mode & 0o777 == 0o600
    url = district.described.agencies[POLICE].url

    def status(method="GET", path="/v1/messages"):
        headers = {"Authorization": f"Bearer {file.read_text().strip()}"}
        return plain.request(method, url + path, headers=headers).status_code

    eventually(lambda: status() == 200, seconds=5)
    assert status("POST") == 403  # not its scope
    district.cli("token", "revoke", "leser", *police)
    since = time.monotonic()
    eventually(lambda: status() == 401, every=0.02)
    assert time.monotonic() - since < 2.5  # it is a second; the machine may be busy


def _officers_own(district, here, folder):
    """Return the options that name the audit service and what is believed, without a stack."""
    audit, token, register = district.described.services["audit"], folder / "t", folder / "r"
    token.write_text(audit.token)
    assert district.cli_json("registry", "export", register, *here)["records"] > 0
    said = ("--url", audit.url, "--token-file", token)
    return (*said, "--register", register, "--anchor", district.places.anchor)


def test_the_log_is_exported_verified_and_opened(district, here, reported, tmp_path):
    digest = district.police.sent(reported["id"]).digest
    line = district.logged(digest)[digest]
    out = tmp_path / "log"
    head = district.cli_json("audit", "export", out, *here)
    assert head["size"] > line["index"]
    report = district.cli_json("audit", "verify", out)
    assert report["ok"] is True
    key = next(district.places.oversight(KREIS).glob("*.jwk"))
    opened = district.cli_json("audit", "open", line["index"], "--key", key, *here)
    assert opened["record"]["clause"] == "haeusliche-gewalt"
    assert opened["signed_by"]["agency"] == POLICE
    log = opened.pop("log")
    assert (log["size"] > line["index"], opened["notices"]) == (True, [])
    again = district.cli_json("audit", "open", "--digest", digest, "--key", key, *here)
    assert again.items() >= opened.items()
    alone = _officers_own(district, here, tmp_path)  # an officer's machine has no stack
    again = district.cli_json("audit", "open", line["index"], "--key", key, *alone)
    assert again.items() >= opened.items()
    district.cli("audit", "open", line["index"], "--key", key, *alone[:4], code=2)
    year = ("--digest", digest, "--year", log["origin"].rpartition("/")[2])
    assert district.cli_json("audit", "open", *year, "--key", key, *here).items() >= opened.items()
    district.cli("audit", "open", line["index"], "--year", "2001", "--key", key, *here, code=1)
    other = next(district.places.oversight(KEMPEN).glob("*.jwk"))
    said = district.cli("audit", "open", line["index"], "--key", other, *here, code=1)
    assert "envelope-not-for-this-key" in said
    leaves = out / "leaves.jsonl"
    data = bytearray(leaves.read_bytes())
    data[len(data) // 2] ^= 1
    leaves.write_bytes(data)
    assert "BROKEN" in district.cli("audit", "verify", out, code=1)


def test_the_registrys_brake_is_pulled_and_released(district, here):
    assert not any(district.cli_json("registry", "plan", *here).values())
    district.cli("registry", "suspend", KEMPEN, "--reason", "Übung", *here)
    listed = district.cli_json("agency", "list", *here)
    assert {each["agency"]: each["status"] for each in listed}[KEMPEN] == "suspended"
    district.cli("registry", "resume", KEMPEN, "--reason", "Übung beendet", *here)
    again = district.cli("registry", "resume", KEMPEN, "--reason", "noch einmal", *here, code=1)
    assert "agency-not-suspended" in again
    assert "nothing to do" in district.cli("registry", "plan", *here)
    said = district.cli("registry", "suspend", "jugendamt-nirgends", "--reason", "x", *here, code=1)
    assert "agency-unknown" in said


def test_keys_are_listed_and_rotated(district):
    directory = district.places.keys(KEMPEN)
    identity = district.places.offline(f"identity-{KEMPEN}.jwk")
    before = district.cli_json("keys", "list", "--keys", directory)
    made = district.cli_json(
        "keys", "rotate", "--identity", identity, "--agency", KEMPEN, "--keys", directory
    )
    after = district.cli_json("keys", "list", "--keys", directory)
    assert {each["kid"] for each in after} - {each["kid"] for each in before} == set(made.values())
    assert set(made) == {"sign", "seal"}


def test_the_agreement_is_listed_with_its_signatures_and_shown_in_german(district, here):
    (known,) = district.cli_json("agreement", "list", *here)
    assert known["status"] == "in-force"
    assert sorted(known["parties"]) == known["signed_by"]
    text = district.cli("agreement", "show", district.places.issued("3-agreement"))
    assert "Kooperationsvereinbarung" in text
    assert "(Annahme)" in text


def test_settings_version_and_status_say_what_there_is(district, here):
    for service in ("gateway", "registry", "audit", "watch"):
        names = {each["name"] for each in district.cli_json("settings", service)}
        assert "kafka.bootstrap" in names
    assert district.cli_json("version")["version"] == __version__
    states = district.cli_json("local", "status", *here)
    assert {each["name"] for each in states} >= {"audit", "broker-1", "postgres", "registry"}
    assert [each for each in states if each["problem"]] == []
