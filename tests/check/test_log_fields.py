"""Every field that our code logs is allowed, so that no line loses in production what it tells.

A field that is not allowed raises in a strict process; elsewhere it is dropped, and counted.
"""

import ast
from pathlib import Path

import pytest

_SERVICES = Path(__file__).parents[2] / "services"
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
_LOGGERS = {"log", "_log"}
_PYTHONS = {"exc_info"}
_TREES = {
    str(path.relative_to(_SERVICES)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(_SERVICES.rglob("*.py"))
}


def calls(tree):
    return (each for each in ast.walk(tree) if isinstance(each, ast.Call))


def allowed(tree):
    for call in calls(tree):
        if ast.unparse(call.func) in {"allow", "logs.allow"}:
            yield from (each.arg for each in call.keywords)


def logged(tree):
    for call in calls(tree):
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=level) if (
                name in _LOGGERS and level in _LEVELS
            ):
                yield from (each.arg for each in call.keywords if each.arg is not None)


ALLOWED = {name for tree in _TREES.values() for name in allowed(tree)} | _PYTHONS


@pytest.mark.parametrize("module", [name for name, tree in _TREES.items() if any(logged(tree))])
def test_a_module_logs_allowed_fields_alone(module):
    assert set(logged(_TREES[module])) <= ALLOWED


def test_the_fields_of_the_services_are_looked_at():
    assert {"topic", "offset", "code"} <= ALLOWED
    assert sum(1 for tree in _TREES.values() for _ in logged(tree)) > 100
