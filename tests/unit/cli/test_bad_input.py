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
