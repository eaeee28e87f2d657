"""What may be said: every promise of the message types, and that two readers agree on it."""

import copy
import json
import re
from datetime import date, datetime

import jsonschema
import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.schemas import MessageType, SchemaInvalid, examples, vocabulary
from meldeweg.kernel.schemas.element import Element, Holds
from meldeweg.kernel.schemas.labelled import Labelled
from meldeweg.kernel.schemas.published import schema_of
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.schemas.vocabulary import DataCategory

ALL = [(kind, version) for kind, versions in schemas.TYPES.items() for version in versions]
EXAMPLES = [
    (kind, version, example)
    for kind, version in ALL
    for example in schemas.json_schema(kind, version)["examples"]
]
IDS = [f"{kind}-{number}" for number, (kind, _, _) in enumerate(EXAMPLES)]
RECORD = {
    "v": 1,
    "type": "notification",
    "version": 1,
    "grounds": ["neglect"],
    "clause": "vernachlaessigung",
    "legal_basis": ["§ 1 Beispielgesetz"],
    "purpose": "Beispiel",
    "urgency": "today",
    "actor_ref": "0" * 32,
    "nonce": "A" * 43,
}

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value):
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("date", raises=ValueError)
def _is_day(value):
    return not isinstance(value, str) or bool(date.fromisoformat(value))


def second_reader(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def accepts(kind, version, document):
    try:
        schemas.validate(kind, version, json.dumps(document).encode())
    except SchemaInvalid:
        return False
    return True


def refused(kind, document):
    with pytest.raises(SchemaInvalid) as info:
        schemas.validate(kind, 1, document)
    return info.value


def paths(document, path=()):
    yield path
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from paths(inner, (*path, name))
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            yield from paths(inner, (*path, index))


def changed(document, path, change):
    document = copy.deepcopy(document)
    here = document
    for step in path[:-1]:
        here = here[step]
    change(here, path[-1])
    return document


def spoilt(document):
    """Yield (what was done, document): every value replaced, every member removed or added.

    Entries of one array follow one schema: a member that several of them have is spoilt once.
    """
    values = [
        *(None, True, False, 0, -1, 21, 0.5, "", " ", "  \u00a0", "x", "x" * 201, "x" * 4001),
        *("a\x00b", "a\x07b", "a\u202eb", "a\u2066b", "a\nb", "a\tb", " lead", "trail "),
        *("2026-02-30", "2026-02-30T10:00:00Z", "2026-01-01T10:00:00", "2026-01-01T24:00:00Z"),
        *("2026-01-01T10:00:00+01:00", "2026-01-01T10:00:00.5Z", "2026-01-01t10:00:00z"),
        *("20260101", "1899-01-01", "2026-01-01", "yes", "none", "other", "neglect", "identity"),
        *("05166008", "0516600", "47929", "030 23125 001", "abc", "/a/0/b", "/a b", "٠٥١٦٦٠٠٨"),
        *([], {}, [[]], [{}], ["neglect", "neglect"], ["alcohol"] * 8, [{}] * 60),
    ]
    places = {
        tuple("*" if isinstance(step, int) else step for step in p): p for p in paths(document)
    }
    for path in places.values():
        if not path:
            continue
        yield f"{path} removed", changed(document, path, lambda here, last: here.pop(last))
        for value in values:
            yield (
                f"{path} = {value!r:.20}",
                changed(
                    document,
                    path,
                    lambda here, last, value=value: (
                        here.update({last: value})
                        if isinstance(here, dict)
                        else here.__setitem__(last, value)
                    ),
                ),
            )
    for path in places.values():
        target = document
        for step in path:
            target = target[step]
        if isinstance(target, dict):
            spoilt_one = copy.deepcopy(document)
            here = spoilt_one
            for step in path:
                here = here[step]
            here["unbekannt"] = 1
            yield f"{path} with one more", spoilt_one


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_every_example_is_valid_for_both_readers(kind, version, example):
    second_reader(schemas.json_schema(kind, version)).validate(example)
    assert accepts(kind, version, example)
    assert schemas.validate(kind, version, example) == schemas.validate(
        kind, version, json.dumps(example).encode()
    )


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_both_readers_agree_on_every_spoilt_example(kind, version, example):
    validator = second_reader(schemas.json_schema(kind, version))
    verdicts = set()
    for what, document in spoilt(example):
        verdict = accepts(kind, version, document)
        assert validator.is_valid(document) == verdict, what
        verdicts.add(verdict)
    assert verdicts == {True, False}  # the table has good and bad ones


def test_both_readers_agree_on_every_spoilt_record():
    validator = second_reader(schema_of(RecordBody, "record", 1))
    validator.validate(RECORD)
    for what, document in spoilt(RECORD):
        try:
            RecordBody.read(json.dumps(document).encode(), "record-malformed")
            verdict = True
        except Refused:
            verdict = False
        assert validator.is_valid(document) == verdict, what


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


SECRETS = ("Geheimname", "geheime_stelle", "GEHEIM-4711")


@pytest.mark.parametrize(
    "document",
    [
        {"geheime_stelle": 1, **examples.NOTIFICATION_AT_NIGHT},
        {**examples.NOTIFICATION_AT_NIGHT, "grounds": ["Geheimname"]},
        {**examples.NOTIFICATION_AT_NIGHT, "children": [{"Geheimname/x~y": {"z": "GEHEIM-4711"}}]},
        {**examples.NOTIFICATION_AT_NIGHT, "children": [{"family_name": ["Geheimname"]}]},
        {**examples.NOTIFICATION_AT_NIGHT, "children": [{"date_of_birth": "Geheimname"}]},
        {**examples.NOTIFICATION_AT_NIGHT, "incident": "Geheimname GEHEIM-4711"},
        ["Geheimname"],
        "Geheimname",
        b'{"grounds": ["Geheimname"], "grounds": ["GEHEIM-4711"]}',
        b'{"Geheimname": NaN}',
        b'{"Geheimname": "GEHEIM-4711"',
        b"\xffGeheimname",
    ],
)
def test_a_refusal_says_where_and_never_what(document):
    with pytest.raises(Refused) as info:
        schemas.validate(MessageType.NOTIFICATION, 1, document)
    error = info.value
    assert error.code == "schema-invalid"
    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in SECRETS:
        assert secret not in f"{error} {error!r} {error.args} {error.__dict__}"


def test_an_object_that_is_no_json_is_refused():
    with pytest.raises(Refused, match="json-unwritable"):
        schemas.validate(MessageType.RETRACTION, 1, {"reason": "\ud800", "erase": True})


def test_pointers_are_a_closed_list_of_words():
    document = copy.deepcopy(examples.NOTIFICATION)
    document["children"][0]["age_estimated"] = 21
    document["children"][1]["family_name"] = "x" * 201
    document["adults"][0]["phone"] = "anrufen"
    document["adults"][1]["date_of_birth"] = "2026-02-30"
    document["incident"]["observed_at"] = "gestern"
    document["grounds"] = ["neglect", "neglect"]
    document["measures"] = [{"kind": "magic"}] * 2
    document["facts"] = []
    document["informed"] = [{"who": "x"}] * 21
    del document["callback"]["phone"]
    document["safety"]["weapons"] = 1
    found = {one.pointer: one.error for one in refused("notification", document).pointers}
    assert found == {
        "/children/0/age_estimated": "out-of-range",
        "/children/1/family_name": "too-long",
        "/adults/0/phone": "not-in-form",
        "/adults/1/date_of_birth": "not-a-date",
        "/incident/observed_at": "not-a-time",
        "/grounds": "not-unique",
        "/measures/0/kind": "not-in-list",
        "/measures/1/kind": "not-in-list",
        "/facts": "too-few",
        "/informed": "too-many",
        "/callback/phone": "missing",
        "/safety/weapons": "not-in-list",
    }


def test_a_wrong_item_is_not_also_reported_as_missing():
    document = {**examples.NOTIFICATION_AT_NIGHT, "children": [{"age_estimated": "vier"}]}
    assert [(one.pointer, one.error) for one in refused("notification", document).pointers] == [
        ("/children/0/age_estimated", "wrong-type")
    ]


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_printing_a_content_shows_none_of_it(kind, version, example):
    content = schemas.validate(kind, version, example)
    shown = f"{content} {content!r} {[content]} {content.callback!r}"
    for value in re.findall(r'"([^"]{4,})"', json.dumps(example, ensure_ascii=False)):
        if value not in type(content).model_fields:
            assert value not in shown


def test_a_content_cannot_be_changed():
    content = schemas.validate(MessageType.RETRACTION, 1, examples.RETRACTION)
    with pytest.raises(ValueError, match="frozen"):
        content.erase = False


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


def categories(kind, document, version=1):
    return set(schemas.validate(kind, version, document).data_categories())


def test_categories_of_data_are_found_not_declared():
    night = examples.NOTIFICATION_AT_NIGHT
    assert categories("notification", night) == {DataCategory.INCIDENT}
    named = {**night, "children": [{"family_name": "Beispiel"}]}
    assert categories("notification", named) == {DataCategory.INCIDENT, DataCategory.IDENTITY}
    hurt = {**night, "children": [{"injuries": {"state": "visible"}}]}
    assert DataCategory.HEALTH in categories("notification", hurt)
    there = {**night, "children": [{"whereabouts": {"stay": "hospital", "phone": "030 23125 9"}}]}
    assert {DataCategory.WHEREABOUTS, DataCategory.CONTACT} <= categories("notification", there)
    sexual = {**night, "grounds": ["sexual-violence"]}
    assert DataCategory.SEXUAL_VIOLENCE in categories("notification", sexual)
    entrusted = {**night, "entrusted": "consent"}
    assert DataCategory.ENTRUSTED in categories("notification", entrusted)
    declared_none = {**night, "entrusted": "none"}
    assert DataCategory.ENTRUSTED not in categories("notification", declared_none)


def test_a_reply_holds_what_its_answers_say_and_a_retraction_nothing():
    course = copy.deepcopy(examples.REPLY)
    course["answers"][0]["subject"] = "case-course"
    assert categories("reply", course) == {DataCategory.CASE_COURSE}
    assert categories("retraction", examples.RETRACTION) == set()
    assert categories("reply", {"outcome": "not-permitted"}) == set()


def test_a_change_says_its_category_and_counts_as_incident_where_it_does_not():
    unsaid = examples.CORRECTION
    assert categories("correction", unsaid) == {DataCategory.INCIDENT}
    assert categories("correction", unsaid, 2) == {DataCategory.INCIDENT}
    said = copy.deepcopy(unsaid)
    said["changes"][0]["category"] = "identity"
    assert categories("correction", said, 2) == {DataCategory.IDENTITY}
    both = {**said, "changes": [*said["changes"], *unsaid["changes"]]}
    assert categories("correction", both, 2) == {DataCategory.IDENTITY, DataCategory.INCIDENT}
    with pytest.raises(schemas.SchemaInvalid):
        schemas.validate("correction", 1, said)


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_no_part_that_holds_a_category_is_passed_over(kind, version, example):
    """The walk leaves out what can add nothing; this one looks into everything."""

    def parts(value):
        if isinstance(value, Element):
            yield value
            for name in type(value).model_fields:
                yield from parts(getattr(value, name))
        elif isinstance(value, tuple):
            for each in value:
                yield from parts(each)

    content = schemas.validate(kind, version, example)
    marked = {
        mark.category
        for part in parts(content)
        for name, field in type(part).model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Holds) and getattr(part, name) not in (None, ())
    }
    found = set()
    content.collect(found)
    assert marked <= found


def test_every_category_of_data_can_be_found():
    def all_of(model, seen):
        for field in model.model_fields.values():
            for mark in field.metadata:
                if hasattr(mark, "category"):
                    seen.add(mark.category)
        return seen

    from meldeweg.kernel.schemas import element

    seen = {DataCategory.SEXUAL_VIOLENCE, DataCategory.ENTRUSTED}
    pending = list(element.Element.__subclasses__())
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        all_of(model, seen)
    # How a case goes is only ever an answer to a question.
    assert seen | {DataCategory.CASE_COURSE} == set(DataCategory)


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
