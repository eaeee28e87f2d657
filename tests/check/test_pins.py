"""What is installed is pinned, with hashes, and is what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.txt", "deploy/requirements.txt", "deploy/requirements-build.txt",
         "tests/fuzz/requirements.txt")  # fmt: skip
_PIN = re.compile(r"^([A-Za-z0-9_.\[\]-]+)==([^ ;\\]+)", re.ASCII)


def entries(name):
    """Each requirement of a lock with its hashes, as one line."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


def pins(name):
    found = {}
    for line in entries(name):
        project, version = _PIN.match(line).groups()
        found.setdefault(canonicalize_name(project.partition("[")[0]), set()).add(version)
    return found


def test_every_lock_is_looked_at():
    there = {str(path.relative_to(ROOT)) for path in ROOT.glob("**/requirements*.txt")
             if ".venv" not in path.parts}  # fmt: skip
    assert there == set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_is_one_version_with_its_hashes(name):
    lines = entries(name)
    assert lines
    for line in lines:
        assert _PIN.match(line), line  # so no address of an index either
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize(
    ("group", "lock"),
    [
        ("dependencies", "requirements.txt"),
        ("local", "requirements.txt"),
        ("image", "requirements.txt"),
        ("dev", "requirements.txt"),
        ("dependencies", "deploy/requirements.txt"),
        ("image", "deploy/requirements.txt"),
        ("build", "deploy/requirements-build.txt"),
    ],
)
def test_what_the_project_asks_for_is_pinned_within_its_bounds(group, lock):
    asked = {
        "dependencies": PROJECT["project"]["dependencies"],
        **PROJECT["project"]["optional-dependencies"],
        **PROJECT["dependency-groups"],
        "build": PROJECT["build-system"]["requires"],
    }[group]
    pinned = pins(lock)
    for text in asked:
        wanted = Requirement(text)
        versions = pinned.get(canonicalize_name(wanted.name))
        assert versions, f"{text} is not in {lock}: make requirements"
        assert all(map(wanted.specifier.contains, versions)), f"{text}: {lock} has {versions}"
