"""What a service reads of others as JSON goes through `kernel/strictjson.py` (docs/tour.md)."""

import ast
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services" / "meldeweg"
ROOMS = ("audit", "envelope", "gateway", "kernel", "registry", "watch")
# Files of this distribution, which nobody else writes.
OWN = {"kernel/deadlines.py", "kernel/schemas/generate.py"}


def loose(source):
    """Return the lines where a module reads JSON by the standard library's own words."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in {("json", "loads"), ("json", "load")}:
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "json":
            found += [node.lineno for name in node.names if name.name in {"loads", "load"}]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_service_reads_json_in_one_place(room):
    found = {
        path.relative_to(SERVICES).as_posix(): lines
        for path in (SERVICES / room).rglob("*.py")
        if (lines := loose(path.read_text()))
    }
    assert {name for name in found if name not in OWN} == set(), found


@pytest.mark.parametrize(
    "source",
    ["import json\njson.loads(b'{}')", "from json import loads", "import json\nx = json.load"],
)
def test_the_check_finds_it(source):
    assert loose(source)
