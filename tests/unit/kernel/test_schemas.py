"""What may be said: every promise of the message types."""

import copy
import json
import re

import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.errors import Early
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.schemas import MessageType, examples, vocabulary
from meldeweg.kernel.schemas.labelled import Labelled
from meldeweg.kernel.schemas.record import RecordBody
from unit.kernel.schema_examples import ALL, EXAMPLES, RECORD, accepts, refused


def test_what_a_patrol_knows_at_night_is_enough():
    content = schemas.validate(MessageType.NOTIFICATION, 1, examples.NOTIFICATION_AT_NIGHT)
    assert content.children == (type(content.children[0])(),)
    required = schemas.json_schema(MessageType.NOTIFICATION, 1)["required"]
    assert sorted(required) == ["children", "facts", "grounds", "incident"]


@pytest.mark.parametrize("missing", ["grounds", "incident", "facts", "children"])
def test_a_notification_without_its_core_is_refused(missing):
    document = {k: v for k, v in examples.NOTIFICATION_AT_NIGHT.items() if k != missing}
    assert [(one.pointer, one.error) for one in refused("notification", document).pointers] == [
        (f"/{missing}", "missing")
    ]


def test_a_fact_needs_its_source_and_reliability():
    document = copy.deepcopy(examples.NOTIFICATION_AT_NIGHT)
    del document["facts"][0]["source"], document["facts"][0]["reliability"]
    pointers = {one.pointer for one in refused("notification", document).pointers}
    assert pointers == {"/facts/0/source", "/facts/0/reliability"}


def test_an_assessment_among_the_facts_is_refused():
    document = copy.deepcopy(examples.NOTIFICATION_AT_NIGHT)
    document["facts"][0]["danger"] = "acute"
    assert {(one.pointer, one.error) for one in refused("notification", document).pointers} == {
        ("/facts/0", "unknown-member")
    }


@pytest.mark.parametrize("ground", [True, "", "yes", "family-court", {"ground": "consent"}])
def test_entrusted_data_needs_a_ground_of_section_65(ground):
    document = {**examples.IMMEDIATE_ACTION, "entrusted": ground}
    assert [one.pointer for one in refused("request.immediate-action", document).pointers] == [
        "/entrusted"
    ]


@pytest.mark.parametrize(
    "mark", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\u2069", "\n"]
)
def test_a_name_cannot_disguise_itself(mark):
    document = {**examples.NOTIFICATION_AT_NIGHT, "children": [{"family_name": f"Bei{mark}spiel"}]}
    assert [one.error for one in refused("notification", document).pointers] == ["not-in-form"]


def test_texts_have_lines_and_every_script():
    document = copy.deepcopy(examples.NOTIFICATION_AT_NIGHT)
    document["facts"][0]["what"] = "Erste Zeile\r\n\tzweite\nŁukasz, Ayşe, Юля, ليلى, 小明"
    assert accepts("notification", 1, document)


def test_several_children_grounds_and_a_handover_fit_one_incident():
    content = schemas.validate(MessageType.NOTIFICATION, 1, examples.NOTIFICATION)
    assert len(content.children) == 2
    assert [str(ground) for ground in content.named_grounds()] == [
        "domestic-violence",
        "alcohol-excess",
    ]
    assert content.handover.at.isoformat() == "2026-11-21T23:25:00+01:00"


def test_the_named_places_are_where_it_happened_and_where_the_children_live():
    document = copy.deepcopy(examples.IMMEDIATE_ACTION)
    document["where"]["municipality"] = "05166012"
    document["children"] = [{}, {"address": {"text": "Musterweg", "municipality": "05166016"}}]
    action = schemas.validate(MessageType.IMMEDIATE_ACTION, 1, document)
    assert action.named_places() == ("05166012", "05166016")
    document["where"].pop("municipality")
    action = schemas.validate(MessageType.IMMEDIATE_ACTION, 1, document)
    assert action.named_places() == ("05166016",)


@pytest.mark.parametrize(("kind", "version"), ALL)
def test_every_text_and_list_is_bounded(kind, version):
    for where, node in nodes(schemas.json_schema(kind, version)):
        if node.get("type") == "array":
            assert "maxItems" in node, where
        if node.get("type") == "string":
            bare = re.sub(r"\[[^\]]*\]|\\.", "", node.get("pattern", "*"))
            assert "maxLength" in node or not re.search(r"[*+]|,\}", bare), where


@pytest.mark.parametrize(("kind", "version"), ALL)
def test_every_member_has_a_german_title_and_description(kind, version):
    schema = schemas.json_schema(kind, version)
    for where, node in nodes(schema):
        if node.get("type") == "object":
            assert node["description"], where
            assert node["title"] not in schema.get("$defs", {}), where
        for name, member in node.get("properties", {}).items():
            made_up = name.replace("_", " ").title()
            referred = schema["$defs"].get(member.get("$ref", "").rsplit("/", 1)[-1], {})
            title = member.get("title") or referred["title"]
            assert title != made_up, (where, name)
            assert member["description"], (where, name)


def nodes(schema, where="#"):
    if isinstance(schema, dict):
        if where.rsplit("/", 1)[-1] not in ("properties", "$defs"):
            yield where, schema
        for name, inner in schema.items():
            if name not in ("examples", "default"):
                yield from nodes(inner, f"{where}/{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from nodes(inner, f"{where}/{index}")


def test_every_word_has_its_german_label():
    lists = [
        found
        for found in vars(vocabulary).values()
        if isinstance(found, type) and issubclass(found, Labelled) and found is not Labelled
    ]
    assert len(lists) > 15
    for words in lists:
        labels = [word.german for word in words]
        assert all(labels)
        assert len(set(labels)) == len(labels), words


def test_an_unknown_version_is_early():
    for kind, version in [(MessageType.NOTIFICATION, 2), ("unheard-of", 1)]:
        with pytest.raises(Early) as info:
            schemas.validate(kind, version, {})
        assert info.value.code == "schema-unknown"


def test_the_newest_version_that_both_read_is_taken():
    assert schemas.newest_common(MessageType.INQUIRY, schemas.known()) == 1
    assert schemas.newest_common(MessageType.INQUIRY, {"inquiry": (7, 1)}) == 1
    for announced in ({}, {"inquiry": (2,)}, {"reply": (1,)}):
        with pytest.raises(Early):
            schemas.newest_common(MessageType.INQUIRY, announced)


def test_a_record_is_read_back_from_its_exact_bytes():
    record = RecordBody.read(json.dumps(RECORD).encode(), "record-malformed")
    data = record.bytes()
    assert RecordBody.read(data, "record-malformed") == record
    assert RecordBody.read(data, "record-malformed").bytes() == data
    assert Digest.of(data) != Digest.of(record.model_copy(update={"nonce": "B" * 43}).bytes())


def test_examples_use_film_numbers_and_invented_names():
    text = json.dumps([example for _, _, example in EXAMPLES], ensure_ascii=False)
    for number in re.findall(r'"phone": "([^"]*)"', text):
        assert number.startswith("030 23125 ")
    for name in re.findall(r'"family_name": "([^"]*)"', text):
        assert name in {"Beispiel", "Muster", "Probe"}
