"""A content that is refused says where and never what."""

import copy
import json
import re

import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.schemas import MessageType, examples
from unit.kernel.schema_examples import EXAMPLES, IDS, refused

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
