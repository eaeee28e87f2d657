"""The command line as a person and as a script use it, against the real API over fake flows."""

import io
import json
import subprocess
import sys
import tempfile

import pytest

from meldeweg import local
from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands, showing
from meldeweg.demo import run as story
from meldeweg.gateway.api import arrived, shapes
from meldeweg.gateway.api.ports import Rejected
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Kennzeichen
from unit.gateway.api import fake
from unit.gateway.api.fake import CALL, ID, ITEM, NOW, SECRETS

MELDEWEG = (sys.executable, "-m", "meldeweg.cli")
MARK = Kennzeichen.of(ID)


def sending(content, *more):
    return ("send", content, "--person", "P-4711", "--place", "Grefrath", *more)


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


def test_foreign_text_cannot_steer_the_terminal():
    assert showing.safe("a\x1b[31mb\r\u202ec\x9bd") == "a\ufffd[31mb\ufffd\ufffdc\ufffdd"
    assert showing.safe("a\nb") == "a\ufffdb"
    assert showing.pretty({"x": "\x9b\u202e\x1b"}).count("\x1b") == 0
    assert "\x9b" not in showing.pretty({"x": "\x9b"})


def test_a_terminal_gets_a_table_in_which_markup_is_text(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    showing.table(("Kopf",), [("[red]wert[/red]",)])
    assert "[red]wert[/red]" in capsys.readouterr().out


def test_tokens_are_made_listed_and_revoked_where_the_store_is(run, stack, tmp_path):
    out = tmp_path / "new-token"
    code, said, _ = run("token", "create", "fall", "--scope", "send", "--scope", "read")
    assert code == 0
    assert said.strip().startswith("mw_")
    assert run("token", "create", "zwei", "--scope", "act", "--out", str(out))[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_text().startswith("mw_")
    code, _, err = run("token", "create", "fall", "--scope", "send")
    assert (code, err.split(":")[0]) == (1, "token-name-used")
    assert run("token", "create", "drei", "--scope", "act", "--out", str(out))[0] == 1
    code, _, err = run("token", "create", "drei", "--scope", "act", "--out", str(out / "no"))
    assert (code, err.split(":")[0]) == (1, "file-not-writable")
    free = tmp_path / "free"
    assert run("token", "create", "fall", "--scope", "act", "--out", str(free))[0] == 1
    assert not free.exists()
    assert run("token", "revoke", "fall")[0] == 0
    listed = json.loads(run("token", "list", "--json")[1])
    assert [one["name"] for one in listed] == ["fall", "zwei"]
    assert "revoked_at" in listed[0]
    assert said.strip() not in run("token", "list")[1]
    assert run("token", "revoke", "fall")[0] == 1


def test_a_new_token_is_all_that_stdout_gets(tmp_path):
    done = subprocess.run(
        [*MELDEWEG, "token", "create", "fall", "--scope", "send", "--store", str(tmp_path / "new")],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": "services"},
    )
    assert done.stderr == ""
    assert done.stdout.startswith("mw_")
    assert len(done.stdout.splitlines()) == 1


def test_settings_are_shown_with_variable_default_and_meaning(run):
    code, out, _ = run("settings", "gateway", "--json", at=None)
    assert code == 0
    shown = {one["name"]: one for one in json.loads(out)}
    assert shown["outbox.bytes_max"]["variable"] == "MELDEWEG_OUTBOX__BYTES_MAX"
    assert shown["agency"]["default"] == "required"
    assert run("settings", "nonsense", at=None)[0] == 2


@pytest.mark.parametrize("service", ["gateway", "registry", "audit", "watch"])
def test_every_service_says_its_settings(run, service):
    code, out, _ = run("settings", service, "--json", at=None)
    assert code == 0
    assert all(one["meaning"] for one in json.loads(out))


def test_the_version_is_said_quickly_and_without_the_services():
    script = (
        "import sys; sys.argv = ['meldeweg', 'version']\n"
        "from meldeweg.cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx2', 'structlog', 'fastapi', 'sqlite3', 'asyncio', 'rich.table'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "import time; print(time.process_time())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": "services"},
    )
    said, heavy, kilobytes, seconds = done.stdout.splitlines()
    assert said.startswith("meldeweg ")
    assert heavy == "[]"
    assert int(kilobytes) < 45_000
    # Of computing time, whatever else the machine does: 0.15 s where it does nothing else.
    assert float(seconds) < 0.6


@pytest.mark.parametrize("name", commands.available())
def test_every_command_loads_and_helps(run, name):
    code, out, _ = run(name, "--help", at=None)
    assert code == 0
    assert f"meldeweg {name}" in out


def test_help_lists_commands_without_loading_them(run):
    loaded = set(sys.modules)
    code, out, _ = run("--help", at=None)
    assert code == 0
    assert all(name in out for name in commands.available())
    assert not {name for name in set(sys.modules) - loaded if name.startswith("meldeweg.")}


@pytest.mark.parametrize(
    ("words", "offered"),
    [("in", "inbox"), ("inbox ack", "acknowledge"), ("token create x --scope s", "send")],
)
def test_the_shell_completes_commands_and_choices(words, offered, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["meldeweg"])
    monkeypatch.setenv("_MELDEWEG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"meldeweg {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        command_line.main()
    assert offered in capsys.readouterr().out.split()


def test_a_module_may_register_itself(monkeypatch):
    class Module:
        @staticmethod
        def register(app):
            app.command("demo")(lambda: None)

    monkeypatch.setattr(commands, "import_module", lambda _: Module)
    assert commands.load("demo").name == "demo"


def test_a_state_of_a_newer_gateway_is_shown_as_it_is():
    assert showing.word(showing.STATES, "brand-new") == "brand-new"


@pytest.mark.parametrize("command", [("local", "up", "--dir", "nowhere"), ("demo",)])
def test_two_brokers_are_refused_and_not_taken_for_one(run, monkeypatch, command):
    def never(*arguments, **named):
        raise AssertionError("started")

    monkeypatch.setattr(local, "up", never)
    monkeypatch.setattr(story, "run", never)
    code, out, err = run(*command, "--brokers", "2", at=None)
    assert (code, out) == (2, "")
    assert "--brokers" in err


def test_a_district_that_is_none_is_a_wrong_call(run, tmp_path):
    order = ("local", "up", "--dir", str(tmp_path / "new"), "--district", "nirgends")
    code, out, err = run(*order, at=None)
    assert (code, out) == (2, "")
    assert "kreis-viersen" in err


def test_a_stack_that_does_not_run_is_said_so(run, tmp_path):
    code, out, err = run("local", "status", "--dir", str(tmp_path), at=None)
    assert (code, out) == (3, "")
    assert "läuft nicht" in err


@pytest.mark.parametrize(("code", "stays"), [(0, False), (1, True)])
def test_a_demonstration_that_ended_well_leaves_no_keys_behind(
    run, monkeypatch, tmp_path, code, stays
):
    places = []

    def played(place, district, *, once, brokers, passing):
        places.append(place)
        (place / "key.jwk").touch()
        return code

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(story, "run", played)
    assert run("demo", "--once", at=None)[0] == code
    assert places[0].exists() == stays
