"""The committed description of the audit's API is what the code does."""

import json

from meldeweg.audit import openapi

DOCUMENT = json.loads(openapi.FILE.read_text())


def test_the_description_is_committed_as_the_code_makes_it():
    assert openapi.FILE.read_bytes() == openapi.generated(), "python -m meldeweg.audit.openapi"


def test_the_check_says_that_it_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(openapi, "FILE", tmp_path / "audit.openapi.json")
    assert openapi.main(["--check"]) == 1
    assert "audit.openapi.json differs" in capsys.readouterr().err
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0


def test_each_operation_says_whether_it_needs_a_token():
    assert DOCUMENT["openapi"].startswith("3.1")
    open_to_all = {
        path
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        if "security" not in operation
    }
    assert open_to_all == {
        "/checkpoint", "/vkey", "/tile/{path}", "/healthz", "/readyz", "/metrics", "/version",
    }  # fmt: skip
