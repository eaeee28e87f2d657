"""The committed description of the gateway's API is what the code does."""

import json

import jsonschema
import pytest

from meldeweg.gateway import openapi
from meldeweg.gateway.api import describe, problems
from meldeweg.gateway.api.problems import ProblemDocument
from meldeweg.gateway.api.routes import ROUTES
from meldeweg.kernel.schemas import TYPES

DOCUMENT = json.loads((openapi.SCHEMAS / "gateway.openapi.json").read_text())


@pytest.mark.parametrize("name", openapi.generated())
def test_generated_documents_are_committed_as_the_code_makes_them(name):
    assert (openapi.SCHEMAS / name).read_bytes() == openapi.generated()[name], (
        f"schemas/{name}: python -m meldeweg.gateway.openapi"
    )


def test_the_check_says_which_file_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(openapi, "SCHEMAS", tmp_path)
    assert openapi.main(["--check"]) == 1
    assert "schemas/gateway.openapi.json differs" in capsys.readouterr().err
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0


EXAMPLES = [
    (kind, example)
    for kind, versions in TYPES.items()
    for example in versions[max(versions)].model_json_schema()["examples"]
]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_every_route_is_described():
    assert set(OPERATIONS) == {route.name for route in ROUTES}
    assert DOCUMENT["openapi"].startswith("3.1")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_names_its_scopes_and_each_of_its_problems(name):
    operation = OPERATIONS[name]
    route = next(route for route in ROUTES if route.name == name)
    named = {scope for one in operation.get("security", ()) for scope in one["token"]}
    assert named == set(route.scopes)
    for code in describe.codes(name):
        answer = operation["responses"][str(problems.catalogue()[code].status)]
        assert f"`{code}`" in answer["description"]
        assert list(answer["content"]) == ["application/problem+json"]
    parameters = operation.get("parameters", ())
    assert {one["name"] for one in parameters if one["in"] == "query"} == route.query


def test_every_reference_leads_somewhere():
    schemas = DOCUMENT["components"]["schemas"]

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/components/schemas/") in schemas
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(DOCUMENT)
    assert "HTTPValidationError" not in schemas


def test_schemas_are_schemas():
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    problem = json.loads((openapi.SCHEMAS / "problem.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(problem)


def test_the_schema_of_problems_knows_every_member_that_is_answered():
    problem = json.loads((openapi.SCHEMAS / "problem.schema.json").read_text())
    assert set(problem["properties"]) == set(ProblemDocument.model_fields)
    assert problem["additionalProperties"] is False


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=[str(kind) for kind, _ in EXAMPLES])
def test_an_order_with_an_example_follows_the_described_schema_and_a_broken_one_does_not(
    kind, example
):
    schema = {"$ref": "#/components/schemas/MessageOrder", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    order = {
        "type": str(kind),
        "to": {"place": "05166008"},
        "acting_person": "P-4711",
        "content": example,
    }
    validator.validate(order)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(order | {"content": example | {"invented": 1}})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(order | {"type": "nonsense"})
