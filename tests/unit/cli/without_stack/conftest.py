"""A command run as its process would run it, where no stack is."""

import sys

import pytest
from structlog.testing import capture_logs

from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands


@pytest.fixture
def run(monkeypatch, capsys):
    for name in ("MELDEWEG_DIR", "MELDEWEG_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands, "quieten", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["meldeweg", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, capture_logs():
            command_line.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def hand(run, tmp_path):
    """Make two key files, some wrong files, and what commands of the ceremonies take of them."""
    for name in ("anchor", "police"):
        run("agency", "new-key", tmp_path / f"{name}.jwk")
    run("agency", "new-key", tmp_path / "one.jwk")
    (tmp_path / "one.jwk").unlink()  # its public part is still there
    (tmp_path / "number.json").write_text('{"polizei-viersen": 5}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "wrong.toml").write_text("term = 5")
    (tmp_path / "odd" / "odd.jws").mkdir(parents=True)
    named = {
        "ENROL": ("--kind", "police", "--anchor", "@anchor.jwk", "--out", "@out"),
        "OWN": ("--identity", "@police.jwk", "--agency", "polizei-viersen"),
        "LONG": ("x" * 501,),
        "LONG-ID": ("-".join(["a" * 40] * 5),),
    }

    def given(*words):
        for word in words:
            if word in named:
                yield from given(*named[word])
            else:
                yield str(tmp_path / word[1:]) if word.startswith("@") else word

    return lambda *words: run(*given(*words))
