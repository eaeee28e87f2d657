"""The documents stay true: links lead somewhere, examples parse, commands and targets exist."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from meldeweg.audit.settings import AuditSettings
from meldeweg.gateway.settings import GatewaySettings
from meldeweg.kernel.agreement import Agreement, Clause
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.settings import COMMAND_LINE, describe
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import Context
from meldeweg.kernel.trust import objects
from meldeweg.registry.settings import RegistrySettings
from meldeweg.watch.settings import WatchSettings

TRUST = (
    objects.Enrolment,
    objects.ServiceKey,
    objects.Status,
    objects.KeyCertificate,
    objects.KeyRevoked,
    objects.Reads,
    objects.Snapshot,
    objects.AgreementSignature,
)
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


def test_every_file_of_the_tour_and_of_the_drawing_exists():
    package = ROOT / "services" / "meldeweg"
    tour = (ROOT / "docs" / "tour.md").read_text()
    parts = "|".join(path.name for path in package.iterdir() if path.is_dir())
    named = re.findall(rf"`((?:{parts})/[\w./-]*)`", tour)
    assert len(named) > 50
    assert not [path for path in named if not (package / path).exists()]
    drawing = FENCE.findall((ROOT / "README.md").read_text())[1][1]
    drawn = re.findall(r"[a-z_/]+\.py", drawing)
    assert len(drawn) > 15
    known = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert not [file for file in drawn if not any(path.endswith(f"/{file}") for path in known)]


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


def commands(text):
    """Commands of ours: at the start of a block's lines, and in the text between backticks."""
    blocks = [body for _, body in FENCE.findall(text)]
    return [*blocks, *re.findall(r"`((?:make|meldeweg) [^`\n]+)`", FENCE.sub("", text))]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_shown_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    for body in commands(page.read_text()):
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


def test_every_page_can_be_reached_from_the_readme():
    reached, found = set(), [ROOT / "README.md"]
    while found:
        page = found.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in LINK.findall(FENCE.sub("", page.read_text())):
            if not re.match(r"[a-z]+:", target):
                found.append(page.parent / target.partition("#")[0])
                if found[-1].is_dir():
                    found.extend(found.pop().glob("*.md"))
    lost = [name(page) for page in PAGES if page.resolve() not in reached]
    assert not lost


def test_the_readme_can_be_read_in_one_go():
    assert (ROOT / "README.md").read_text().count("\n") <= 150


def test_decisions_are_numbered_once_and_say_why():
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in found]
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)
    assert len(set(numbers)) == len(numbers)
    for page in found:
        assert page.read_text().startswith(f"# {int(page.name[:4])}. "), page.name


def test_pages_name_no_machine_and_no_index():
    for page in PAGES:
        assert not re.search(r"/(?:work|tmp|root|home)/\w", page.read_text()), name(page)


def test_the_catalogue_names_every_event_and_each_of_its_members():
    text = (ROOT / "docs" / "audit-events.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text, re.MULTILINE))
    kinds = {kind.value for kind in EventKind}
    assert kinds <= set(rows)
    members = {name for name in rows if name not in kinds} | set(
        re.findall(r"`([a-z_0-9]+)`", "".join(rows[kind] for kind in kinds))
    )
    known = set(Event.model_fields)
    named = set(re.findall(r"`([a-z][a-z_0-9]*)`", text)) & known
    assert named == known
    assert members & known == known - {"v", "id", "agency", "kind", "at"}


def test_a_kind_of_event_that_nothing_tells_is_said_to_be_so():
    text = (ROOT / "docs" / "audit-events.md").read_text()
    code = "".join(file.read_text() for file in ROOT.glob("services/meldeweg/gateway/**/*.py"))
    told = {kind.value for kind in EventKind if f"EventKind.{kind.name}" in code}
    untold = set(re.findall(r"^\| `([a-z-]+)` \|[^|]*not told yet", text, re.MULTILINE))
    assert untold == {kind.value for kind in EventKind} - told


def test_the_specification_names_every_kind_of_signed_object():
    text = (ROOT / "docs" / "spec" / "message.md").read_text()
    for typ in Typ:
        assert f"`{typ.removesuffix('.v1+jws')}" in text, typ


def test_the_specification_names_every_member_of_what_is_signed():
    text = (ROOT / "docs" / "spec" / "message.md").read_text()
    for model in (Context, Event, Heartbeat, RecordBody, Agreement, Clause, *TRUST):
        for field, info in model.model_fields.items():
            assert f"`{info.alias or field}`" in text, f"{model.__name__}.{field}"


def test_settings_named_in_pages_exist():
    known = {
        each.variable
        for cls in (GatewaySettings, RegistrySettings, AuditSettings, WatchSettings)
        for each in describe(cls)
    }
    others = {"MELDEWEG_CONFIG", *COMMAND_LINE}
    for page in PAGES:
        named = set(re.findall(r"\bMELDEWEG_[A-Z_]+\b", page.read_text()))
        assert named <= known | others, name(page)


def test_no_module_is_too_long_to_hold_in_the_head():
    long = {
        name(file): lines
        for root in ("services", "tests")
        for file in (ROOT / root).rglob("*.py")
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
