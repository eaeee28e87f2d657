"""Every refusal of the command line's own has its German sentence, and no sentence is left over."""

import ast
from pathlib import Path

import pytest

from meldeweg.cli.failing import _words
from meldeweg.cli.failing import explained as explain
from meldeweg.gateway.refusals import UNKNOWN, explained
from meldeweg.kernel.errors import Refused

SERVICES = Path(__file__).parents[2] / "services" / "meldeweg"
SAYING = [
    *(SERVICES / "cli").glob("*.py"),
    *(SERVICES / "ceremony").glob("*.py"),
    *(SERVICES / "envelope").glob("*.py"),
    *(SERVICES / "audit" / name for name in ("sources.py", "export.py", "deciding.py")),
    SERVICES / "registry" / "submit.py",
    SERVICES / "kernel" / "keyfile.py",
]
FROM_ELSEWHERE = {"audit-refused", "audit-unavailable"}  # where an answer names no code


def raised(path):
    """Yield the codes that a module raises by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Refused" | "Unavailable" | "Fatal"), args=[first, *_]):
                match first:
                    case ast.Constant(value=str(code)):
                        yield code
                    case ast.Name(id=name) if name in constants:
                        yield constants[name]


def codes():
    return {code for path in SAYING for code in raised(path)}


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_code_of_the_command_line_has_a_german_sentence(code):
    assert _words().get(code) or explained(code) is not UNKNOWN


def test_no_sentence_is_for_a_code_that_nobody_raises():
    assert _words().keys() - codes() - FROM_ELSEWHERE == set()
    assert len(codes()) > 50


def test_a_failure_is_said_by_code_facts_and_sentence_in_one_line(capsys):
    explain(Refused("signature-invalid", "index 7"), as_json=False)
    assert capsys.readouterr().err == "signature-invalid: index 7 (Die Signatur stimmt nicht.)\n"
