"""What somebody may type or hand over, however wrong: a code, its exit code, and no token."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOWHERE = "http://127.0.0.1:1"
RESUME = ("audit", "resume", "inbox.a.b", "--at", "7", "--by", "Erika Beispiel", "--reason", "r")


@pytest.mark.parametrize(
    "agencies",
    [5, [], {}, {"jugendamt-kreis-viersen": None}, {"jugendamt-kreis-viersen": {}},
     {"jugendamt-kreis-viersen": {"url": "x"}}, {"jugendamt-kreis-viersen": [1]}],
    ids=repr,
)  # fmt: skip
def test_a_stack_that_is_damaged_is_none(agencies, run, stack):
    (stack / "stack.json").write_text(json.dumps({"agencies": agencies}))
    code, _, text = run("inbox")
    assert (code, text.partition(":")[0]) in [
        (3, "stack-not-running"),
        (2, "agency-not-named"),
    ]


@pytest.mark.parametrize("data", ["geheimä".encode(), b"", b"geheim\nzwei", b"geheim\x00", b"\xff"])
@pytest.mark.parametrize("ask", [("inbox",), RESUME, ("audit", "export", "o")])
def test_what_can_be_no_token_is_refused_without_a_byte_of_it(data, ask, run, tmp_path):
    (tmp_path / "given").write_bytes(data)
    where = ["--url", NOWHERE, "--token-file", str(tmp_path / "given")]
    code, out, text = run(*ask, *where, at=None)
    assert (code, text.partition(":")[0]) == (1, "token-unreadable")
    assert "geheim" not in out + text
    assert "xe4" not in text


def test_what_is_no_address_is_named_wrong(run):
    for address in ("http://[::1", "http://a:b:c/"):
        code, _, text = run("audit", "verify", address, at=None)
        assert (code, text.partition(":")[0]) == (2, "audit-not-named")


def test_a_full_disk_is_said_and_not_unexpected():
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "meldeweg.cli", "version"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    said = ended.stderr.decode()
    assert (ended.returncode, said.count("\n")) == (1, 1)
    assert said.startswith("Lesen oder Schreiben ging nicht / could not read or write: No space")


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (("local", "up", "--dir"), "could not read or write"),
        (("local", "down", "--dir"), "could not read or write"),
        (("demo", "--once", "--dir"), "could not read or write"),
        (("token", "create", "x", "--scope", "send", "--store"), "could not read or write"),
        (("token", "list", "--store"), "store-missing"),
    ],
)
def test_a_link_to_itself_is_no_directory(ask, said, run, tmp_path):
    (tmp_path / "ring").symlink_to("ring")
    code, _, text = run(*ask, str(tmp_path / "ring"), at=None)
    assert code == 1
    assert said in text.splitlines()[-1]


@pytest.mark.parametrize(("encoding", "read"), [("ascii", "utf-8"), ("latin-1", "latin-1")])
@pytest.mark.parametrize("words", [("--help",), ("inbox", "--dir", "/nirgends")])
def test_every_text_is_said_on_a_terminal_that_lacks_its_letters(encoding, read, words):
    ended = subprocess.run(
        [sys.executable, "-m", "meldeweg.cli", *words],
        capture_output=True,
        check=False,
        env={"PYTHONPATH": "services", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    said = (ended.stdout + ended.stderr).decode(read)
    assert ended.returncode == (0 if words == ("--help",) else 3)
    assert ("gestört" if ended.returncode == 0 else "läuft") in said
