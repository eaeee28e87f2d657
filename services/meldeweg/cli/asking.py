"""Asking the audit service as an auditor: the address and the token, and what it answers.

Guarantees: a token is read from a file, never taken from the command line; what the service refuses
keeps its code. Trusts: `stack.json` of the directory the user names.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from meldeweg.cli import files
from meldeweg.cli.target import Dir, connected
from meldeweg.kernel import strictjson
from meldeweg.kernel.authority import trusting
from meldeweg.kernel.errors import Refused, Unavailable, foreign_code

_TIMEOUT = 30.0  # seconds; a decision waits for its turn at the log


@dataclass(frozen=True, slots=True)
class Auditor:
    """One audit service and an auditor's token for it."""

    url: str
    token: str
    ca: Path | None = None
    stack: Path | None = None  # the directory of the local stack that it belongs to

    def get(self, path: str) -> Any:
        return self._asked("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._asked("POST", path, json=body)

    def _asked(self, method: str, path: str, **content: Any) -> Any:
        import httpx2  # noqa: PLC0415 - loaded when asked for

        try:
            answer = httpx2.request(
                method,
                self.url + path,
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=_TIMEOUT,
                verify=trusting(self.url, self.ca),
                trust_env=False,
                **content,
            )
        except httpx2.InvalidURL as exc:
            raise Refused("audit-not-named", "not an address") from exc
        except httpx2.HTTPError as exc:
            raise Unavailable("audit-unreachable", type(exc).__name__) from exc
        return answered(answer.status_code, answer.content)


def answered(status: int, data: bytes) -> Any:
    """Return the document of a success. Raises `Refused` or `Unavailable` with the answer's code.

    `audit-unreachable`: what answered is no audit service.
    """
    try:
        said = strictjson.loads(data)
    except Refused as exc:
        raise Unavailable("audit-unreachable", exc.detail) from exc
    if 200 <= status < 300:
        return said
    code = said.get("code") if isinstance(said, dict) else None
    if status >= 500:
        raise Unavailable(foreign_code(code, "audit-unavailable"), f"HTTP {status}")
    raise Refused(foreign_code(code, "audit-refused"), f"HTTP {status}")


@contextmanager
def auditor_of(
    directory: Path | None, url: str | None, token_file: Path | None, ca: Path | None
) -> Iterator[Auditor]:
    """Find the audit service: by address and token file, or in a local stack's `stack.json`."""
    if url is not None and token_file is not None:
        yield Auditor(url, files.token(token_file), ca)
        return
    if directory is None:
        raise Refused("audit-not-named", "--dir, or --url and --token-file")
    try:
        entry = json.loads((directory / "stack.json").read_text())["services"]["audit"]
        found = Auditor(str(entry["url"]), str(entry["token"]), stack=directory)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Unavailable("stack-not-running", f"{directory}: stack.json") from exc
    yield found


TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Datei mit dem Token der Prüfung")
]
Ca = Annotated[Path | None, typer.Option("--ca", help="CA-Zertifikate des Dienstes (PEM)")]
as_auditor = connected(
    {
        "directory": Dir,
        "url": Annotated[
            str | None, typer.Option("--url", help="Adresse des Protokolldienstes, statt --dir")
        ],
        "token_file": TokenFile,
        "ca": Ca,
    },
    auditor_of,
)
"""Gives a command the options that name an audit service, and who asks it as first argument."""
