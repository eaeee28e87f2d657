"""Who acts has a name that can be shown, the same in a header as in a body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from starlette.requests import Request

from meldeweg.gateway.api import reading
from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.api.shapes import Person
from meldeweg.kernel.errors import Refused
from unit.gateway.api.fake import Selective, bearer, client
from unit.gateway.api.problem_form import OPEN, checked


@pytest.mark.parametrize(
    ("name", "problem_code"),
    [
        (b"", "acting-person-missing"),
        (b"   ", "acting-person-missing"),
        (b"a\tb", "acting-person-malformed"),
        ("x\u202ey".encode(), "acting-person-malformed"),
        (b"x" * 201, "acting-person-malformed"),
        ("\u200b".encode(), "acting-person-malformed"),  # nobody can read these
        ("\u2060\u200d".encode(), "acting-person-malformed"),
        ("\U000e0041".encode(), "acting-person-malformed"),
        (b"- . -", "acting-person-malformed"),
        ("\u3164\u115f\u1160\uffa0".encode(), "acting-person-malformed"),
    ],
)
async def test_a_person_has_a_name_that_can_be_shown(name, problem_code):
    async with client(Selective()) as http:
        answer = await http.get(OPEN[1], headers=bearer() | {"Acting-Person": name})
    checked(answer, problem_code)


@pytest.mark.parametrize("name", ["Vera\u00a0Beispiel", "م\u200cن", "क्\u200dष", "Zoë"])
async def test_a_name_that_a_receipt_takes_is_taken_here(name):
    assert TypeAdapter(Person).validate_python(name) == name
    flows = Selective()
    async with client(flows) as http:
        sent = bearer() | {"Acting-Person": name.encode()}
        assert (await http.get(OPEN[1], headers=sent)).status_code == 200


_ODD = st.sampled_from(
    "\u00a0\u200b\u200c\u200d\u200e\u202e\u2028\u3000\u0085\u0000\u007f\t\n e\u0301"
)


@given(st.text(st.characters(exclude_categories=["Cs"]) | _ODD, max_size=12), st.integers(1, 201))
def test_body_and_header_take_the_same_names(name, times):
    """The header as it arrives: HTTP takes the blanks around it away."""
    name *= times if len(name) == 1 else 1
    sent = name.encode().strip(b" \t")
    request = Request({"type": "http", "headers": [(b"acting-person", sent)]})
    try:
        by = TypeAdapter(Person).validate_python(name)
    except ValueError:
        with pytest.raises(Refused, match="acting-person"):
            reading.acting_person(request)
    else:
        assert reading.acting_person(request) == by


async def test_two_persons_in_one_request_are_none():
    async with client(Selective()) as http:
        headers = [*bearer().items(), ("Acting-Person", "A"), ("Acting-Person", "B")]
        answer = await http.get(OPEN[1], headers=headers)
    checked(answer, "acting-person-malformed")


@pytest.mark.parametrize("reason", ["\u200b", "\U000e0041", "- . -"])
def test_a_refusal_has_a_reason_that_can_be_read(reason):
    given = {"kind": "refused", "by": "Erika", "code": "not-responsible", "reason": reason}
    with pytest.raises(ValueError, match="neither letter nor digit"):
        ReceiptOrder.model_validate_json(json.dumps(given))
