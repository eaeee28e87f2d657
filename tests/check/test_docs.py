"""The documents stay true: links lead somewhere, examples parse, commands and targets exist."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "schemas/*.md", "deploy/**/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:services|schemas|deploy|docs|tests)/[\w./-]+)`")
MAKE = re.compile(r"^(?:\$ )?make ([a-z]+)", re.MULTILINE)
CLI = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?meldeweg ((?:[a-z][a-z-]*\s?)+)", re.MULTILINE)


def name(page):
    return str(page.relative_to(ROOT))


def slug(heading):
    text = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_heading_of_the_tree(page):
    text = FENCE.sub("", page.read_text())
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"no heading for {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_named_in_a_page_exists(page):
    for path in CODE_PATH.findall(FENCE.sub("", page.read_text())):
        assert (ROOT / path).exists(), f"{path} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_blocks_parse(page):
    for language, body in FENCE.findall(page.read_text()):
        match language:
            case "python":
                ast.parse(body)
            case "json":
                json.loads(body)
            case "toml":
                tomllib.loads(body)
            case "sh" | "bash":
                done = subprocess.run(
                    ["bash", "-n"], input=body, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_shown_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    for _, body in FENCE.findall(page.read_text()):
        for target in MAKE.findall(body):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
        for words in CLI.findall(body):
            command = words.split()
            done = subprocess.run(
                [sys.executable, "-m", "meldeweg.cli", *command, "--help"],
                capture_output=True,
                text=True,
                check=False,
                env={"PYTHONPATH": str(ROOT / "services"), "PATH": "/usr/bin:/bin"},
            )
            assert done.returncode == 0, f"meldeweg {words}: {done.stderr[-300:]}"


def test_no_module_is_too_long_to_hold_in_the_head():
    long = {
        name(file): lines
        for file in ROOT.glob("services/**/*.py")
        if (lines := file.read_text().count("\n")) > 400
    }
    assert not long


def test_requirements_are_pinned_with_hashes_and_name_no_index():
    text = (ROOT / "requirements.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pinned = re.findall(r"^([a-z0-9][\w.-]*)==\S+(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pinned
    assert all("--hash=sha256:" in rest for _, rest in pinned)
