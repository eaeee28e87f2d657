"""`python -m meldeweg.gateway.openapi [--check]`: write or compare the generated documents."""

import sys
from pathlib import Path
from typing import Any, cast

from meldeweg.gateway.api.app import build
from meldeweg.gateway.api.openapi import document, problem_schema, written
from meldeweg.gateway.api.ports import Ports
from meldeweg.kernel.service import http

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"


def generated() -> dict[str, bytes]:
    """Return file name → bytes of everything that this module keeps under `schemas/`."""
    app = build(cast("Ports", _NoPorts()))  # routes are declared, none is called
    http.build("gateway", app, http.Readiness())
    return {
        "gateway.openapi.json": written(document(app)),
        "problem.schema.json": written(problem_schema()),
    }


class _NoPorts:
    def __getattr__(self, name: str) -> Any:
        return None


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` return 1 if one differs from the code."""
    differing = [
        name
        for name, data in generated().items()
        if not (SCHEMAS / name).exists() or (SCHEMAS / name).read_bytes() != data
    ]
    if arguments == ["--check"]:
        for name in differing:
            sys.stderr.write(f"schemas/{name} differs: python -m meldeweg.gateway.openapi\n")
        return 1 if differing else 0
    SCHEMAS.mkdir(exist_ok=True)
    for name, data in generated().items():
        (SCHEMAS / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
