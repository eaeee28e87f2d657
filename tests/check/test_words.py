"""Every code that a person or a program can get is on docs/refusals.md, in German and in English.

A new code fails here until it has its words, or is named below as one that stays in a service.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from meldeweg.cli.failing import explained as explain
from meldeweg.cli.refusals import catalogue, document, german
from meldeweg.gateway.api import problems
from meldeweg.kernel.bus.failures import _REFUSED, _UNAVAILABLE
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.service.operators import _OWN as OF_OPERATORS
from meldeweg.kernel.settings import _GRAVITY
from meldeweg.registry.api import _STATUS as OF_REGISTRY

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services" / "meldeweg"
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RAISING = {
    "Refused",
    "Early",
    "Unavailable",
    "Fatal",
    "WrongSetting",
    "PydanticCustomError",
    "made",
}
FINDING = {"breaks", "misses", "notes", "_stop"}  # what `meldeweg audit verify` finds wrong
READING = {"read", "read_signed"}  # (data, code)
LOGGING = {"info", "warning", "error"}
# What the command line and the ceremonies say themselves is explained there in German.
SAYING = [
    *(SERVICES / "cli").glob("*.py"),
    *(SERVICES / "ceremony").glob("*.py"),
    *(SERVICES / "envelope").glob("*.py"),
    *(SERVICES / "local").glob("*.py"),
    *(SERVICES / "audit" / name for name in ("sources.py", "export.py", "deciding.py")),
    *(SERVICES / "audit" / name for name in ("verify.py", "walk.py", "order.py", "listed.py")),
    *(SERVICES / "audit" / name for name in ("seen.py", "turn.py")),
    SERVICES / "registry" / "submit.py",
    SERVICES / "kernel" / "keyfile.py",
    SERVICES / "kernel" / "settings.py",
]
# Where an answer names no code.
FROM_ELSEWHERE = {"audit-refused", "audit-unavailable"}
# It ends the service, with this in its log; who starts it again reads it there.
STOPS = {
    *("aiokafka-unknown", "audit-fenced", "checkpoint-forked", "checkpoint-not-ours"),
    *("database-refused", "failpoint-undeclared", "handler-exited", "kafka-certificate-unreadable"),
    *("keys-unreadable", "log-not-open", "manifest-differs-from-rows", "manifest-forked"),
    *("manifest-refused", "note-not-ours", "offsets-moved"),
    *("replay-impossible", "schema-newer", "stalled", "store-failed", "store-not-started"),
    "store-of-another",
    *("stored-row-differs", "stored-row-missing", "stored-tile-differs", "stored-tile-missing"),
    *("task-ended", "tiles-differ-from-checkpoint", "tiles-differ-from-leaves"),
    *("topic-partitions", "vault-key-malformed", "vault-key-wrong", "vault-unreadable"),
    *("year-differs", "year-not-signed", "year-skipped"),
}
# The service waits and tries again, or passes one thing over; its log and metrics say so.
DELAYS = {
    *("failpoint", "handler-unavailable"),
    *("audit-key-unknown", "audit-waiting", "head-moved", "key-file-misnamed"),
    *("key-revoked-malformed", "key-uncertified"),
    *("log-slow", "log-tile-malformed", "log-unreachable", "open-too-many", "quarantine-failed"),
    "register-unread",
    *("snapshot-malformed", "store-stopped", "tiles-unproven", "topic-recreated", "topic-reset"),
}
# Another code takes its place before anybody gets it.
INSIDE = {
    *("answer-malformed", "context-contradicts", "event-malformed", "heartbeat-malformed"),
    *("receipt-code", "step-impossible"),
}
STAYS = STOPS | DELAYS | INSIDE


def _texts(node, constants):
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, constants)
            yield from _texts(other, constants)


def _places(node):
    """Yield where a call, or a class, has a code."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=given):
            yield from given[:1] if name in {*RAISING, *FINDING, "__init__"} else ()
            yield from given[1:2] if name in READING else ()
            if name not in LOGGING:
                yield from (each.value for each in node.keywords if each.arg == "code")
        case ast.ClassDef(body=body):  # an id's own
            yield from (
                each.value
                for each in body
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "CODE"
            )
        case ast.FunctionDef(args=ast.arguments(kwonlyargs=names, kw_defaults=defaults)):
            yield from (d for n, d in zip(names, defaults, strict=True) if n.arg == "code" and d)


def raised(path):
    """Yield the codes that a module raises, or has others raise, by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        for place in _places(node):
            yield from (each for each in _texts(place, constants) if CODE.fullmatch(each))


@cache
def codes():
    by_name = {code for path in SERVICES.rglob("*.py") for code in raised(path)}
    return {*by_name, *_REFUSED.values(), *_UNAVAILABLE.values(), *_GRAVITY}


def on_the_page():
    page = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE))


def words():
    return {code: one for entries in catalogue().values() for code, one in entries.items()}


def test_every_code_that_can_be_raised_is_on_the_page_or_stays_in_a_service():
    assert codes() - on_the_page() - STAYS == set()
    assert len(codes()) > 270


def test_every_code_of_an_api_is_on_the_page():
    answered = {*problems.catalogue(), *OF_OPERATORS, *OF_REGISTRY}
    assert answered - on_the_page() == set()


def test_no_code_is_said_to_stay_that_is_on_the_page_or_that_nobody_raises():
    assert STAYS & on_the_page() == set()
    assert STAYS - codes() == set()
    assert len(STAYS) == len(STOPS) + len(DELAYS) + len(INSIDE)


def test_the_page_is_the_catalogues_of_the_code():
    assert (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("code", sorted({code for path in SAYING for code in raised(path)}))
def test_a_code_of_the_command_line_has_a_german_sentence(code):
    assert german(code).endswith(".")


def test_no_sentence_is_for_a_code_that_nobody_raises():
    assert words().keys() - codes() - FROM_ELSEWHERE == set()


def test_every_sentence_is_there_in_both_languages():
    for code, one in words().items():
        assert CODE.fullmatch(code)
        assert one.german.endswith(".")
        assert one.english.endswith(".")
        assert one.german != one.english
        assert "|" not in one.german + one.english  # a table's


def test_a_code_stands_once_in_the_catalogue():
    assert len(words()) == sum(len(entries) for entries in catalogue().values())


def test_a_failure_is_said_by_code_facts_and_sentence_in_one_line(capsys):
    explain(Refused("signature-invalid", "index 7"), as_json=False)
    assert capsys.readouterr().err == "signature-invalid: index 7 (Die Signatur stimmt nicht.)\n"


@pytest.mark.parametrize("code", ["status-superseded", "entry-unknown", "body-too-large"])
def test_a_failure_of_any_catalogue_has_its_german_sentence(code, capsys):
    explain(Refused(code), as_json=False)
    said = capsys.readouterr().err
    assert said == f"{code} ({german(code)})\n"
    assert len(german(code)) > 10
