"""`meldeweg`: one command per subject, each in a module of its own, loaded when it is asked for.

Guarantees: `meldeweg version`, `--help` and completion load no service and no library but Typer; a
failure ends with the exit code that API.md fixes and one line on stderr (with `--json` one JSON
document, for wrong use too), never with a traceback that could hold content
(`_MELDEWEG_TRACEBACK=1` shows it to a developer).
"""

import codecs
import io
import os
import sys
from pathlib import Path
from typing import IO

from meldeweg.cli.commands import application
from meldeweg.cli.failing import explained


def main() -> None:
    """Run the command line; ends the process with 0, 1, 2, 3 or 10."""
    as_json = "--json" in sys.argv
    # Closed by whoever started this (`>&-`): nobody hears, and that is no failure.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        _umlauts(stream)
    try:
        # Typer explains wrong use itself, in a box, unless it is told that somebody else does.
        sys.exit(application()(prog_name="meldeweg", standalone_mode=not as_json))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as exc:
        if os.environ.get("_MELDEWEG_TRACEBACK"):
            raise
        # The last place: everything that is not ours to explain is named by its type alone.
        sys.exit(explained(exc, as_json=as_json))


def _umlauts(stream: IO[str]) -> None:
    """Let a stream take every text: in UTF-8 where it can't do more than ASCII, else escaped."""
    if isinstance(stream, io.TextIOWrapper):
        ascii_alone = codecs.lookup(stream.encoding).name == "ascii"
        encoding = "utf-8" if ascii_alone else None
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _nowhere(mode: str) -> IO[str]:
    return Path(os.devnull).open(mode, encoding="utf-8")


if __name__ == "__main__":
    main()
