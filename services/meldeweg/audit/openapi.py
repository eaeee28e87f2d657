"""`python -m meldeweg.audit.openapi [--check]`: write or compare `schemas/audit.openapi.json`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.reading import Reading
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.note import Verifier
from meldeweg.kernel.service import http

FILE = Path(__file__).resolve().parents[3] / "schemas" / "audit.openapi.json"


def generated() -> bytes:
    """Return the description of the API, OpenAPI 3.1, as it is committed."""
    app = build(cast("Reading", _Nothing()), Auditors(None), _no_keys, cast("Deciding", _Nothing()))
    http.build("audit", app, http.Readiness())
    return (json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n").encode()


class _Nothing:
    """Stands where no route is called."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _no_keys(origin: str) -> Sequence[Verifier]:
    raise Fatal("log-not-open", origin)


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` return 1 if it differs from the code."""
    if arguments == ["--check"]:
        same = FILE.exists() and FILE.read_bytes() == generated()
        if not same:
            sys.stderr.write(f"schemas/{FILE.name} differs: python -m meldeweg.audit.openapi\n")
        return 0 if same else 1
    FILE.write_bytes(generated())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
