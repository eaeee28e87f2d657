"""What a registry, an audit service or a file may say to the command line, however broken."""

import json

import pytest

from meldeweg.ceremony import desk
from meldeweg.cli import agreement, asking, audit_decide
from meldeweg.doctor import gather_net
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from unit.conftest import NOW

BROKEN = (b"", b"[" * 100_000, b"\xff", b'{"a":1,"a":2}', b"9" * 5000)
POLICE = AgencyId("polizei-viersen")


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_json_comes_from_no_service(data):
    with pytest.raises(Unavailable, match="audit-unreachable"):
        asking.answered(200, data)
    with pytest.raises(Unavailable, match="registry-answer-malformed"):
        desk.answered(200, data)
    for status, kind in ((400, Refused), (409, Early), (503, Unavailable)):
        with pytest.raises(kind, match="registry-answer-malformed"):
            desk.answered(status, data)
    assert gather_net.missing(data) == (("http", "not-meldeweg"),)


@pytest.mark.parametrize("code", ["[2J", "A Sentence", "a" * 70, ["x"], {}, None, 7])
def test_a_code_that_can_be_none_is_not_passed_on(code):
    said = json.dumps({"code": code, "detail": "\x1b[2J"}).encode()
    for status, known in ((404, "audit-refused"), (500, "audit-unavailable")):
        with pytest.raises((Refused, Unavailable)) as refused:
            asking.answered(status, said)
        assert (refused.value.code, refused.value.detail) == (known, f"HTTP {status}")
    with pytest.raises(Refused) as refused:
        desk.answered(404, said)
    assert refused.value.code == "registry-answer-malformed"


def test_a_code_is_passed_on_and_a_detail_that_steers_no_terminal():
    with pytest.raises(Refused, match="index-out-of-range"):
        asking.answered(422, b'{"code":"index-out-of-range"}')
    with pytest.raises(Early) as refused:
        desk.answered(409, b'{"code":"status-superseded","detail":"number 3"}')
    assert (refused.value.code, refused.value.detail) == ("status-superseded", "number 3")
    with pytest.raises(Refused) as refused:
        desk.answered(400, b'{"code":"body-malformed","detail":"\\u001b[2J"}')
    assert refused.value.detail == ""


@pytest.mark.parametrize("said", [None, 1, "x", [1], {}, {"digest": 1}, {"digest": "x"}, [[]]])
def test_another_answer_of_a_registry_than_its_own_is_malformed(said):
    for read in (desk.digest_of, desk.records_of, lambda one: desk.status_of(one, POLICE)):
        if not said and read is not desk.digest_of and said is not None:
            continue  # an empty register is one
        with pytest.raises(Unavailable, match="registry-answer-malformed"):
            read(said)


BENT = (None, 1, "x", [1], {}, [{}], {"topic": "t", "next": "7", "halted": None})
BENT += ({"topic": 1, "next": 7, "halted": None}, {"id": True, "code": "c", "subject": "s"})
BENT += ({"topic": "t", "next": 7}, {"id": 1, "code": ["c"], "subject": "s"})


@pytest.mark.parametrize("said", BENT)
def test_another_answer_to_a_decision_comes_from_no_audit_service(said, run, stack, monkeypatch):
    """Through the command: a code and exit 3 (unreachable), not "unexpected" and exit 10."""
    monkeypatch.setattr(asking.Auditor, "post", lambda *_: said)
    for ask in (["resume", "inbox.a.b", "--at", "7"], ["resolve", "1"]):
        where = ["--url", "http://127.0.0.1:1", "--token-file", str(stack / "token")]
        why = ["--by", "Erika Beispiel", "--reason", "r"]
        code, _, text = run("audit", *ask, *why, *where, at=None)
        assert (code, text.partition(":")[0]) == (3, "audit-unreachable")


def test_an_answer_to_a_decision_is_read():
    goes_on = {"topic": "inbox.a.b", "next": 7, "halted": None, "more": 1}
    assert audit_decide.resumed(goes_on) == {"topic": "inbox.a.b", "next": 7, "halted": None}
    closed = {"id": 4, "code": "offset-gap", "subject": "inbox.a.b"}
    assert audit_decide.resolved(closed) == closed


@pytest.mark.parametrize("data", [b"[]", b"1", b'{"polizei-viersen":1}', b'{"a":{}}'])
def test_a_file_of_identities_that_pins_nothing_is_refused(data):
    with pytest.raises(Refused, match="identities-malformed"):
        agreement.pinned(data)


@pytest.mark.parametrize("header", [None, "", "x", "Mon, 01 Jan 99999999999 00:00:00 GMT"])
def test_a_date_that_is_none_says_nothing_of_a_clock(header):
    assert gather_net.date("http://localhost", header, FixedClock(NOW)) is None


@pytest.mark.parametrize(
    ("ask", "command", "answer"),
    [
        ("agreements", ("agreement", "list"), [{"agreement": "ab" * 32, "status": "in-force"}]),
        ("agencies", ("agency", "list"), [{"agency": "a", "status": "active", "keys": []}]),
        ("plan", ("registry", "plan"), None),
        ("set_status", ("registry", "suspend", "jugendamt-kempen", "--reason", "a\x9b2J"), None),
    ],
)
def test_nothing_that_a_registry_has_steers_a_terminal(
    ask, command, answer, run, stack, monkeypatch
):
    steering = "Kreis\x1b[2J\u202e\0"
    for each in answer or ():
        each |= {"title": steering, "name": steering, "signed_by": [steering]}
    said = answer or {"create_topics": [steering]}
    monkeypatch.setattr(desk.Desk, ask, lambda *_: said)
    where = ["--url", "http://127.0.0.1:1", "--token-file", str(stack / "token")]
    code, out, _ = run(*command, *where, at=None)
    assert code == 0
    assert "\N{REPLACEMENT CHARACTER}" in out
    assert all(one.isprintable() or one in "\t\n" for one in out)
