"""Categories of data are found in a content, never declared, and none is passed over."""

import copy

import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.element import Element, Holds
from meldeweg.kernel.schemas.vocabulary import DataCategory
from unit.kernel.schema_examples import EXAMPLES, IDS


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
