"""A valid record, changed: every change of a bit, and every header taken apart, is refused."""

import copy
import json
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meldeweg.gateway.judging import Judge, Message
from meldeweg.gateway.verification import Proven, Rejected
from meldeweg.kernel import statement as statements
from meldeweg.kernel import strictjson
from unit.gateway.world import KREIS, NOW, POLICE, World


@cache
def setup():
    world = World()
    return world, world.register(), world.message()


def judged(record):
    world, register, _ = setup()
    key = world.offices[KREIS].seal
    judge = Judge(KREIS, register, {key.kid: key}, lambda *_: None, NOW)
    found = judge.prove(record)
    return judge.open(found) if isinstance(found, Proven) else found


def flip(data, bit):
    changed = bytearray(data)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


def parts(record):
    """Return every byte string of a record with how to put another one in its place."""
    yield record.key, lambda new: replace(record, key=new)
    yield record.value, lambda new: replace(record, value=new)
    yield record.topic.encode(), lambda new: replace(record, topic=_text(new))
    for n, (name, value) in enumerate(record.headers):
        yield name.encode(), lambda new, n=n, value=value: _header(record, n, (_text(new), value))
        yield value, lambda new, n=n, name=name: _header(record, n, (name, new))


def _text(data):
    return data.decode("utf-8", "surrogateescape")


def _header(record, n, header):
    return replace(record, headers=(*record.headers[:n], header, *record.headers[n + 1 :]))


def test_the_unchanged_record_is_accepted():
    assert isinstance(judged(setup()[2]), Message)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(which=st.integers(0, 14), bit=st.integers(0, 2**20))
def test_every_one_bit_change_is_refused(which, bit):
    record = setup()[2]
    found = list(parts(record))
    data, put = found[which % len(found)]
    changed = put(flip(data, bit))
    outcome = judged(changed)
    assert isinstance(outcome, Rejected)
    assert outcome.code != "record-unprocessable"


@pytest.mark.parametrize("which", ["key", "topic", "statement", "ce_id"])
def test_every_single_bit_of_the_small_parts_is_refused(which):
    record = setup()[2]
    named = {"key": 0, "topic": 2, "statement": 4, "ce_id": 8}
    data, put = list(parts(record))[named[which]]
    for bit in range(len(data) * 8):
        outcome = judged(put(flip(data, bit)))
        assert isinstance(outcome, Rejected), bit
        assert outcome.code != "record-unprocessable"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_bytes_taken_out_put_in_or_repeated_are_refused(data):
    record = setup()[2]
    found = list(parts(record))
    old, put = data.draw(st.sampled_from(found))
    start = data.draw(st.integers(0, len(old)))
    length = data.draw(st.integers(0, 40))
    new = data.draw(st.binary(max_size=40))
    changed = old[:start] + new + old[start + length :]
    if changed != old:
        outcome = judged(put(changed))
        assert isinstance(outcome, Rejected)
        assert outcome.code != "record-unprocessable"


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(value=_JSON, data=st.data())
def test_a_signed_context_with_any_member_exchanged_never_stops_us(value, data):
    """The sender itself may sign anything; whatever it is has an outcome with a code."""
    world, _, record = setup()
    told = statements.parse(record.header("statement"))
    members = strictjson.loads(told.context_bytes)
    name = data.draw(st.sampled_from([*members, "surprise"]))
    bent = copy.deepcopy(members) | {name: value}
    text = _dumps(bent)
    token = statements.sign(text, record.value, world.offices[POLICE].signing)
    outcome = judged(_header(record, 0, ("statement", token)))
    same = text == told.context_bytes
    assert isinstance(outcome, Message if same else Rejected)
    if not same:
        assert outcome.code != "record-unprocessable"


def _dumps(members):
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=200, deadline=None)
@given(payload=_JSON, attachments=_JSON, text=_TEXT)
def test_any_content_a_sender_may_seal_has_an_outcome(payload, attachments, text):
    world = setup()[0]
    for inside in (
        {"payload": payload},
        {"attachments": attachments},
        {"record": text},
        {text: payload},
    ):
        outcome = judged(world.message(inside=inside))
        if inside != {"attachments": []}:
            assert isinstance(outcome, Rejected)
            assert outcome.code != "record-unprocessable"
