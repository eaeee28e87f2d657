"""A served gateway over fake flows, and a command run as its process would run it."""

import json
import sys

import pytest
from structlog.testing import capture_logs

from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands
from meldeweg.client import calls
from unit.client.served import Selective, serving
from unit.gateway.api.fake import SECRETS


@pytest.fixture
def flows():
    return Selective()


@pytest.fixture
def stack(flows, tmp_path, monkeypatch):
    """A directory with a `stack.json` that names one served gateway, and one that is not there."""
    monkeypatch.setattr(calls, "pause", lambda *_: 0.0)
    for name in ("MELDEWEG_DIR", "MELDEWEG_GATEWAY_URL", "MELDEWEG_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands, "quieten", lambda: None)  # it is for a process of its own
    with capture_logs(), serving(flows) as url:
        here = {"url": url, "token": SECRETS["all"], "store": str(tmp_path / "store")}
        gone = {"url": "http://127.0.0.1:1", "token": "x", "store": str(tmp_path / "gone")}
        agencies = {"jugendamt-kreis-viersen": here, "polizei-viersen": gone}
        (tmp_path / "stack.json").write_text(json.dumps({"agencies": agencies}))
        (tmp_path / "token").write_text(SECRETS["all"] + "\n")
        yield tmp_path


@pytest.fixture
def run(stack, monkeypatch, capsys):
    """Run a command as the process would; return (exit code, stdout, stderr)."""

    def run(*arguments, at="jugendamt-kreis-viersen"):
        named = ["--dir", str(stack), "--agency", at] if at else []
        monkeypatch.setattr(sys, "argv", ["meldeweg", *arguments, *named])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "content.json"
    path.write_text('{"grounds": ["domestic-violence"], "narrative": "MARKER"}')
    return str(path)
