"""Tokens are made, listed and revoked where the store is; a new one is all that stdout gets."""

import json
import subprocess

from unit.cli.calling import MELDEWEG


def test_tokens_are_made_listed_and_revoked_where_the_store_is(run, stack, tmp_path):
    out = tmp_path / "new-token"
    code, said, _ = run("token", "create", "fall", "--scope", "send", "--scope", "read")
    assert code == 0
    assert said.strip().startswith("mw_")
    assert run("token", "create", "zwei", "--scope", "act", "--out", str(out))[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_text().startswith("mw_")
    code, _, err = run("token", "create", "fall", "--scope", "send")
    assert (code, err.split(":")[0]) == (1, "token-name-used")
    assert run("token", "create", "drei", "--scope", "act", "--out", str(out))[0] == 1
    code, _, err = run("token", "create", "drei", "--scope", "act", "--out", str(out / "no"))
    assert (code, err.split(":")[0]) == (1, "file-not-writable")
    free = tmp_path / "free"
    assert run("token", "create", "fall", "--scope", "act", "--out", str(free))[0] == 1
    assert not free.exists()
    assert run("token", "revoke", "fall")[0] == 0
    listed = json.loads(run("token", "list", "--json")[1])
    assert [one["name"] for one in listed] == ["fall", "zwei"]
    assert "revoked_at" in listed[0]
    assert said.strip() not in run("token", "list")[1]
    assert run("token", "revoke", "fall")[0] == 1


def test_a_new_token_is_all_that_stdout_gets(tmp_path):
    done = subprocess.run(
        [*MELDEWEG, "token", "create", "fall", "--scope", "send", "--store", str(tmp_path / "new")],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": "services"},
    )
    assert done.stderr == ""
    assert done.stdout.startswith("mw_")
    assert len(done.stdout.splitlines()) == 1
