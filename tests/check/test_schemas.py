"""The published schemas are those of the code, and released ones never change."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from meldeweg.kernel import agreement
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.schemas import TYPES, generate
from meldeweg.kernel.schemas.record import RecordBody

SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    return tmp_path / "schemas"


def test_published_schemas_are_those_of_the_code_and_as_released():
    assert generate.findings(SCHEMAS) == []


def test_every_type_and_version_is_published_under_its_stable_id():
    for kind, versions in TYPES.items():
        for version in versions:
            schema = json.loads((SCHEMAS / f"{kind}.v{version}.json").read_text())
            assert schema["$id"] == f"urn:meldeweg:schema:{kind}:{version}"
            assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
            assert schema["examples"]


def test_the_agreements_schema_takes_the_example_and_the_reader_too():
    schema = json.loads((SCHEMAS / "agreement.v1.json").read_text())
    judge = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    data = (SCHEMAS / generate.EXAMPLE).read_bytes()
    document = json.loads(data)
    assert agreement.parse(data).id == document["id"]
    judge.validate(document)
    for wrong in (
        document | {"more": 1},
        document | {"municipalities": document["municipalities"] | {"Viersen": "Viersen"}},
        document | {"protects": document["protects"] | {"grounds": ["neglect", "neglect"]}},
        document | {"term": document["term"] | {"from": "2026-02-30"}},
    ):
        assert not judge.is_valid(wrong)
        with pytest.raises(Refused):
            agreement.parse(json.dumps(wrong).encode())


def test_every_released_schema_has_an_example_in_it_or_beside_it():
    beside = {name.partition(".")[0] for name, _ in generate.beside()}
    for name, data in generate.files():
        assert "examples" in json.loads(data) or name.partition(".")[0] in beside, name


def test_the_records_schema_takes_the_example_and_the_reader_too():
    schema = json.loads((SCHEMAS / "record.v1.json").read_text())
    judge = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    data = (SCHEMAS / generate.OF_RECORD).read_bytes()
    judge.validate(json.loads(data))
    RecordBody.read(data, "record-malformed")
    assert not judge.is_valid(json.loads(data) | {"v": 2})


@pytest.mark.parametrize("name", [name for name, _ in generate.beside()])
def test_an_example_that_left_what_it_is_made_of_is_found(copy, name):
    (copy / name).write_text("{}")
    assert any(name in one for one in generate.findings(copy))
    (copy / name).unlink()
    assert any(name in one for one in generate.findings(copy))


def test_the_readme_lists_every_schema():
    text = (SCHEMAS / "README.md").read_text()
    for name in [name for name, _ in (*generate.files(), *generate.beside())]:
        assert f"`{name}`" in text


def test_a_changed_released_schema_is_found(copy):
    path = copy / "reply.v1.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert any(
        "reply.v1.json was released and has changed" in one for one in generate.findings(copy)
    )
    assert generate.main(["--check", "--dir", str(copy)]) == 1


def test_a_lost_released_schema_is_found(copy):
    (copy / "inquiry.v1.json").unlink()
    assert "inquiry.v1.json was released and is gone" in generate.findings(copy)


def test_an_unreleased_schema_is_found(copy):
    pinned = json.loads((copy / "released.json").read_text())
    del pinned["record.v1.json"]
    (copy / "released.json").write_text(json.dumps(pinned))
    assert generate.findings(copy) == ["record.v1.json is not in released.json"]
    assert generate.main(["--release", "--dir", str(copy)]) == 0
    assert generate.findings(copy) == []


def test_a_released_schema_is_never_overwritten(copy, monkeypatch, capsys):
    pinned, before = (copy / "released.json").read_bytes(), (copy / "reply.v1.json").read_bytes()
    changed = [
        (name, data + b" " if name.startswith("reply") else data) for name, data in generate.files()
    ]
    monkeypatch.setattr(generate, "files", lambda: iter(changed))
    assert generate.main(["--release", "--dir", str(copy)]) == 1
    assert "reply.v1.json is released: make a new version" in capsys.readouterr().err
    assert (copy / "reply.v1.json").read_bytes() == before
    assert (copy / "released.json").read_bytes() == pinned


def test_released_hashes_are_of_the_files_bytes():
    for name, sha256 in generate.released(SCHEMAS).items():
        assert hashlib.sha256((SCHEMAS / name).read_bytes()).hexdigest() == sha256
