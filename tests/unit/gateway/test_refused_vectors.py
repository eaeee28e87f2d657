"""tests/vectors/refused.json: every change of the way has its code, here and in whatever else reads
our records."""

import json
from functools import cache
from pathlib import Path

import pytest

from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.verification import Proven
from meldeweg.kernel import event, signing
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import OpenKey, SealKey, SignatureKey
from meldeweg.kernel.trust.register import Register
from vectors import make_refused, refused_text

FOLDER = Path(__file__).parents[2] / "vectors"
WAY = json.loads((FOLDER / "way.json").read_text())
WRITTEN = json.loads((FOLDER / "refused.json").read_text())
REFUSED = refused_text.lengthen(WRITTEN)


@cache
def _of_the_way(drop):
    register = Register(SignatureKey.from_jwk(WAY["anchor"]))
    for at, each in enumerate(WAY["records"]):
        if each["topic"].startswith(("registry.", "keys.")) and at not in drop:
            register.apply(each["topic"], each["value"].encode())
    return register


def view_of(case):
    """The way's own trust as the case wants it: a copy of its own for each that asks."""
    register = _of_the_way(tuple(case.get("drop", ()))).trial()
    for topic, value in case.get("add", ()):
        register.apply(topic, value.encode())
    return register


def changed(case):
    """The record `at` of the way with the case's members."""
    record = WAY["records"][case["at"]] | case["set"]
    headers = [
        [name, case["set"].get("statement", value) if name == "statement" else value]
        for name, value in record["headers"]
    ]
    return {name: record[name] for name in ("topic", "key", "value")} | {"headers": headers}


def record_of(case):
    made = changed(case)
    return Record(
        topic=made["topic"],
        partition=0,
        offset=0,
        timestamp=0,
        key=None if made["key"] is None else made["key"].encode(),
        value=None if made["value"] is None else made["value"].encode(),
        headers=tuple(
            (name, None if value is None else value.encode()) for name, value in made["headers"]
        ),
    )


def outcome(case):
    record, me = record_of(case), case["me"]
    key = OpenKey.from_jwk(WAY["private"]["seal"][me])
    judge = Judge(me, view_of(case), {key.kid: key}, lambda *_: None, from_rfc3339(case["now"]))
    found = judge.prove(record)
    return judge.open(found) if isinstance(found, Proven) else found


@pytest.mark.parametrize("case", REFUSED["records"], ids=lambda case: case["name"])
def test_a_changed_record_is_refused_with_its_code(case):
    found = outcome(case)
    if case["code"] is None:
        assert isinstance(found, Message | Receipt)
    else:
        assert getattr(found, "code", "accepted") == case["code"]


@pytest.mark.parametrize("case", REFUSED["events"], ids=lambda case: case["name"])
def test_a_changed_event_is_refused_with_its_code(case):
    record, code = record_of(case), None
    try:
        told = event.judge(record.topic, record.key, record.headers, record.value)
        kid, now = told.jws.kid, from_rfc3339(case["now"])
        signing.verify(told.jws, view_of(case).signature_key(told.body.agency, kid, now))
    except Refused as exc:
        code = exc.code
    assert code == case["code"]


@pytest.fixture(scope="module")
def view():
    return view_of({})


@pytest.mark.parametrize("case", REFUSED["trust"], ids=lambda case: case["name"])
def test_no_register_takes_in_what_the_chain_does_not_vouch_for(view, case):
    trial = view.trial()
    if case["waits"]:
        trial.apply(case["topic"], case["value"].encode())
        assert trial.pending() == 1
    else:
        with pytest.raises(Refused):
            trial.apply(case["topic"], case["value"].encode())


@pytest.mark.parametrize("case", REFUSED["keys"], ids=lambda case: case["name"])
def test_no_reader_takes_a_weak_key(case):
    kind = SignatureKey if case["jwk"]["kty"] == "OKP" else SealKey
    with pytest.raises(Refused, match="key-malformed"):
        kind.from_jwk(case["jwk"])


def test_the_committed_file_is_what_its_generator_derives():
    assert make_refused.build(dict(WRITTEN["pinned"])) == WRITTEN
