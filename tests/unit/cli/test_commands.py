"""The command line as a person and as a script use it, against the real API over fake flows."""

import io
import json
import sys

import pytest

from meldeweg.cli import showing
from meldeweg.gateway.api import arrived, shapes
from meldeweg.gateway.api.ports import Rejected
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Kennzeichen
from unit.cli.calling import sending
from unit.gateway.api import fake
from unit.gateway.api.fake import CALL, ID, ITEM, NOW, SECRETS

MARK = Kennzeichen.of(ID)


def test_a_message_is_sent_and_its_kennzeichen_said(run, content, flows):
    code, out, _ = run(*sending(content, "--exercise", "--label", "means=x", "--key", "key-4711"))
    assert code == 0
    assert f"Kennzeichen:       {MARK}" in out
    assert "SOFORT" in out
    _, body, key = flows.asked[-1]
    assert key == "key-4711"
    assert json.loads(body) == {
        "type": "notification",
        "to": {"place": "Grefrath"},
        "acting_person": "P-4711",
        "content": {"grounds": ["domestic-violence"], "narrative": "MARKER"},
        "labels": {"means": "x"},
        "exercise": True,
    }


def test_content_from_stdin_is_utf_8_whatever_the_locale(run, flows, monkeypatch):
    data = io.BytesIO('{"narrative": "Küche"}'.encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data, encoding="latin-1"))
    assert run(*sending("-"))[0] == 0
    assert json.loads(flows.asked[-1][1])["content"] == {"narrative": "Küche"}


def test_a_dry_run_sends_nothing(run, content, flows):
    code, out, _ = run(*sending(content, "--dry-run", "--json"))
    assert code == 0
    assert json.loads(out)["clause"] == "VIE-3"
    assert [call[0] for call in flows.asked] == ["check"]


def test_json_is_what_the_api_says(run, content):
    _, out, _ = run(*sending(content, "--json"))
    assert json.loads(out)["ack_by"] == "2026-11-22T18:00:00.000Z"


def test_the_inbox_is_a_table_of_plain_columns_for_scripts(run):
    code, out, _ = run("inbox")
    assert code == 0
    header, row = out.splitlines()
    assert header.split("\t")[0] == "Kennzeichen"
    assert row.split("\t")[:2] == [MARK, "polizei-viersen"]
    assert json.loads(run("inbox", "--json")[1])["next"] == "1"


def test_a_message_is_opened_by_the_kennzeichen_of_the_telephone(run, flows, monkeypatch):
    only_once(flows, monkeypatch)
    code, out, _ = run("inbox", "open", MARK.lower(), "--person", "Erika Beispiel")
    assert code == 0
    assert '"narrative": "erfunden"' in out
    assert flows.asked[-1] == ("inbox.open", ID, "Erika Beispiel", None)


def only_once(flows, monkeypatch):
    """Let the fake's inbox end after its first page."""
    inbox = flows.ports().inbox
    real = type(inbox).list

    async def listed(self, after, limit):
        page = await real(self, after, limit)
        return page if after is None else arrived.InboxPage(items=(), next=page.next)

    monkeypatch.setattr(type(inbox), "list", listed)


def test_two_messages_of_one_kennzeichen_are_never_confused(run, flows, monkeypatch):
    inbox = flows.ports().inbox

    async def listed(self, after, limit):
        item = arrived.InboxItem(**ITEM)
        return arrived.InboxPage(items=(item, item) if after is None else (), next="1")

    monkeypatch.setattr(type(inbox), "list", listed)
    code, _, err = run("inbox", "acknowledge", MARK, "--person", "P")
    assert code == 1
    assert err.startswith("message-ambiguous")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("acknowledge",), "acknowledged"),
        (("refuse", "--code", "not-responsible", "--responsible", "jugendamt-kempen"), "refused"),
        (("erase",), "erased"),
    ],
)
def test_receipts_are_given(run, flows, arguments, kind):
    command, *options = arguments
    code, out, _ = run("inbox", command, ID, "--person", "Erika Beispiel", *options)
    assert code == 0
    assert out.startswith(showing.STATES[kind])
    assert flows.asked[-1][2].kind == kind


def test_a_receipt_given_before_is_said_so(run, flows):
    flows.new_receipt = False
    assert "war schon gegeben" in run("inbox", "acknowledge", ID, "--person", "P")[1]


def test_sent_messages_are_listed_and_shown_with_whom_to_phone(run):
    code, out, err = run("message", "--limit", "1")
    assert code == 0
    assert "030 23125 100" in out
    assert "--after older" in err
    for name in (ID, MARK):
        code, out, _ = run("message", name)
        assert code == 0
        assert "ÜBERFÄLLIG" in out
        assert "ANRUFEN:           Bereitschaft (erfunden), 030 23125 100" in out


def test_who_is_responsible_instead_is_shown_and_why(run, monkeypatch):
    step = shapes.SentStep(
        kind="refused",
        at=NOW,
        code="not-responsible",
        reason="Umgezogen nach Nettetal.",
        responsible="jugendamt-nettetal",
    )
    answered = fake.Sent.get

    async def refused(self, message):
        return (await answered(self, message)).model_copy(update={"timeline": (step,)})

    monkeypatch.setattr(fake.Sent, "get", refused)
    _, out, _ = run("message", ID)
    assert "Zuständig:         jugendamt-nettetal" in out
    assert "Begründung:        Umgezogen nach Nettetal." in out


def test_what_a_problems_text_points_at_is_shown(run, flows, stack):
    flows.raises = Refused("a-code-without-page")
    assert "reason: a-code-without-page" in run("message", ID)[2]
    (stack / "token").write_text(SECRETS["send"])
    url = json.loads((stack / "stack.json").read_text())["agencies"]["jugendamt-kreis-viersen"]
    named = ("--url", url["url"], "--token-file", str(stack / "token"))
    assert "scope: read" in run("inbox", *named, at=None)[2]


def test_what_the_agreement_does_not_cover_is_told_in_german_with_the_number(run, content, flows):
    flows.raises = Rejected("not-covered", rule="VIE-3 verlangt einen Anlass", call=CALL)
    code, out, err = run(*sending(content))
    assert (code, out) == (1, "")
    assert "Die Kooperationsvereinbarung deckt diese Meldung nicht [not-covered]" in err
    assert "Regel: VIE-3 verlangt einen Anlass" in err
    assert "Anrufen: Bereitschaft (erfunden), 030 23125 100" in err
    assert "MARKER" not in err


@pytest.mark.parametrize(
    ("raises", "code", "said"),
    [
        (Refused("place-unknown"), 1, "place-unknown"),
        (Unavailable("store-full"), 3, "store-full"),
        (RuntimeError("MARKER"), 1, "internal"),
    ],
)
def test_the_exit_code_says_what_failed(run, content, flows, raises, code, said):
    flows.raises = raises
    ended, out, err = run(*sending(content, "--json"))
    assert (ended, out) == (code, "")
    assert json.loads(err)["error"] == said
    assert json.loads(err)["exit"] == code
    assert "MARKER" not in err


def test_a_gateway_that_is_not_there_is_exit_3(run):
    assert run("inbox", at="polizei-viersen")[0] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("inbox", "--limit", "many"),
        ("nonsense",),
        ("send",),
        ("inbox", "open", ID),
        ("send", "x.json", "--person", "P", "--place", "y", "--label", "nothing"),
    ],
)
def test_a_wrong_call_is_exit_2(run, arguments, tmp_path):
    assert run(*arguments, at=None)[0] == 2


def test_whom_to_talk_to_must_be_said(run, stack, content):
    assert run("inbox", at=None)[0] == 2
    code, _, err = run("inbox", "--dir", str(stack), at=None)
    assert code == 2
    assert "jugendamt-kreis-viersen, polizei-viersen" in err
    code, _, err = run("inbox", "--dir", str(stack / "nowhere"), at=None)
    assert (code, err.split(":")[0]) == (3, "stack-not-running")
    (stack / "nowhere").mkdir()
    (stack / "nowhere" / "stack.json").write_text("[" * 100_000)
    code, _, err = run("inbox", "--dir", str(stack / "nowhere"), at=None)
    assert (code, err.split(":")[0]) == (3, "stack-not-running")
    assert run("send", content, "--person", "P")[0] == 2


def test_address_and_token_file_do_instead_of_a_stack(run, stack, monkeypatch):
    url = json.loads((stack / "stack.json").read_text())["agencies"]["jugendamt-kreis-viersen"][
        "url"
    ]
    assert run("inbox", "--url", url, "--token-file", str(stack / "token"), at=None)[0] == 0
    monkeypatch.setenv("MELDEWEG_GATEWAY_URL", url)
    monkeypatch.setenv("MELDEWEG_TOKEN_FILE", str(stack / "token"))
    assert run("inbox", at=None)[0] == 0
    for file in ("nowhere.pem", "token"):  # absent, and no certificate
        code, _, err = run("inbox", "--ca", str(stack / file), at=None)
        assert (code, err.split(":")[0]) == (1, "ca-unreadable")
    monkeypatch.setenv("MELDEWEG_GATEWAY_URL", "http://gateway.intern")
    code, _, err = run("inbox", at=None)
    assert code == 2
    assert "https" in err


@pytest.mark.parametrize(
    "text", ["nothing", '{"a": "MARKER"', "\xff", '{"a": "MARKER", "a": 1}', "NaN", "[" * 5000]
)
def test_content_that_is_no_json_is_refused_without_its_words(run, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("latin-1"))
    code, _, err = run(*sending(str(path)))
    assert code == 1
    assert err.startswith("content-unreadable")
    assert "MARKER" not in err
