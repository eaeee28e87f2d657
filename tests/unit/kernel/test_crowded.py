"""What has a million members is refused before each of them costs anything."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel import schemas, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.schemas import TYPES, MessageType, SchemaInvalid, examples, json_schema
from meldeweg.kernel.schemas.record import RecordBody

MANY = 700_000
WORST = {
    "facts": [1] * MANY,
    "adults": [[]] * (MANY // 2),
    "informed": [{}] * (MANY // 2),
    "children": [None] * MANY,
    **{f"m{n}": 0 for n in range(130_000)},
}
JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text('ab,[{"\\\n', max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=30,
)


def entries(value):
    """Members and elements, and what opens a container: as the commas and brackets of its text."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(len(value) - 1, 0) + sum(map(entries, inner))
    return 0


@given(JSON)
def test_it_counts_what_a_parser_would_find(value):
    data = json.dumps(value, ensure_ascii=False).encode()
    count = entries(value)
    assert not strictjson.crowded(data, count)
    assert count == 0 or strictjson.crowded(data, count - 1)


@pytest.mark.parametrize("unit", [b'"', b'\\"', b'",', b"\\", b'"\\', b"[", b"{,"])
def test_no_text_makes_it_slow(unit):
    data = b'"' + unit * (2_000_000 // len(unit))
    began = time.process_time()
    strictjson.crowded(data + b"," * 10, 5)
    assert time.process_time() - began < 1.0


def largest(schema, root):
    """Return how many commas and brackets a document of this schema has at most."""
    if "$ref" in schema:
        return largest(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if found := schema.get("anyOf") or schema.get("oneOf"):
        return max(largest(each, root) for each in found)
    if schema.get("type") == "array":
        return schema["maxItems"] * (1 + largest(schema["items"], root))
    members = schema.get("properties", {}).values()
    return len(members) + sum(largest(each, root) for each in members)


@pytest.mark.parametrize("kind", MessageType)
def test_no_content_that_has_its_form_is_too_large(kind):
    for version in TYPES[kind]:
        schema = json_schema(kind, version)
        # An order holds more than its content: labels, persons, places.
        assert 0 < 2 * largest(schema, schema) <= schemas.ENTRIES_MAX


@pytest.mark.parametrize("name", ["facts", "adults", "informed", "children", "unknown"])
def test_the_worst_content_costs_little(name):
    bent = (
        {key: value for key, value in WORST.items() if key.startswith("m")}
        if name == "unknown"
        else {name: WORST[name]}
    )
    data = json.dumps(examples.NOTIFICATION | bent).encode()
    tracemalloc.start()
    try:
        with pytest.raises(SchemaInvalid) as refused:
            schemas.validate(MessageType.NOTIFICATION, 1, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(each.pointer, each.error) for each in refused.value.pointers] == [("", "too-many")]
    assert peak < 20 * len(data)  # with an object for each: 350 times as much


def test_a_signed_object_of_a_million_members_costs_little():
    data = b'{"v":1,"grounds":[' + b"1," * MANY + b"1]}"
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="record-malformed"):
            RecordBody.read_signed(data, "record-malformed")
        assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    finally:
        tracemalloc.stop()


def test_many_mistakes_are_counted_and_not_listed():
    data = b'{"v":1,"grounds":[' + b"1," * 20_000 + b"1]}"
    with pytest.raises(Refused) as refused:
        RecordBody.read(data, "record-malformed")
    assert refused.value.detail.endswith(" mistakes")


def test_many_empty_lists_cost_no_more_than_as_many_wrong_items():
    """Each was compared with each other mistake: as large as is judged at all, 20 times as long."""
    child = {"substance_use": {"substances": []}}
    good = examples.NOTIFICATION
    empty, wrong = (
        _seconds(json.dumps(good | bent).encode())
        for bent in ({"children": [child] * 1200}, {"facts": [1] * 1200})
    )
    assert empty < 5 * wrong + 0.02


def _seconds(data):
    """Return the least processor time of a few runs: others' work does not count."""
    times = []
    for _ in range(5):
        began = time.process_time()
        with pytest.raises(SchemaInvalid):
            schemas.validate(MessageType.NOTIFICATION, 1, data)
        times.append(time.process_time() - began)
    return min(times)
