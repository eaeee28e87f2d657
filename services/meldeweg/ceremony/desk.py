"""The registry's desk over HTTP: hand in signed objects, pull the brake, ask.

Trusts nothing of an answer's form: what is none of a registry is `registry-answer-malformed`.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2

from meldeweg.kernel import strictjson
from meldeweg.kernel.authority import trusting
from meldeweg.kernel.errors import Early, Refused, Unavailable, foreign_code, foreign_detail
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.settings import read_secret
from meldeweg.kernel.trust.objects import AgencyStatus

_MALFORMED = "registry-answer-malformed"
_TIMEOUT = 30.0  # seconds; pulling the brake waits for the broker


class Desk:
    """One connection to one registry. `token`: the operators'."""

    def __init__(self, url: str, token: str, ca: Path | None = None) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            verify=trusting(url, ca),
            trust_env=False,
        )

    def submit(self, value: bytes) -> Digest:
        """Hand in one signed object; returns its digest, or raises what the desk said."""
        return digest_of(self._call("POST", "/v1/records", content=value))

    def set_status(self, agency: AgencyId, status: AgencyStatus, reason: str) -> None:
        """Suspend or resume; returns once the broker acts on it."""
        body = {"status": status.value, "reason": reason}
        self._call("POST", f"/v1/agencies/{agency}/status", json=body)

    def agencies(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/agencies")
        return found

    def status(self, agency: AgencyId) -> tuple[AgencyStatus, int]:
        """Return an agency's status and its last change's number; refuses an unknown agency."""
        return status_of(self.agencies(), agency)

    def agreements(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/agreements")
        return found

    def records(self) -> list[tuple[str, bytes]]:
        """Return every record of trust that the registry has seen, as (topic, value)."""
        return records_of(self._call("GET", "/v1/records"))

    def plan(self) -> dict[str, list[str]]:
        """Return what the registry would change at the broker now."""
        found: dict[str, list[str]] = self._call("GET", "/v1/plan")
        return found

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, **content: Any) -> Any:
        try:
            answer = self._http.request(method, path, **content)
        except httpx2.HTTPError as exc:
            raise Unavailable("registry-unreachable", type(exc).__name__) from exc
        except httpx2.InvalidURL as exc:
            raise Refused("registry-not-named", "not an address") from exc
        return answered(answer.status_code, answer.content)


def answered(status: int, data: bytes) -> Any:
    """Return the document of a success; raise what the registry said.

    `Early`: 409; `Unavailable`: 500 and above, or no answer of a registry; else `Refused`.
    """
    try:
        said = strictjson.loads(data)
    except Refused as exc:
        said = exc
    if 200 <= status < 300:
        if isinstance(said, Refused):
            raise Unavailable(_MALFORMED, said.detail) from said
        return said
    problem = said if isinstance(said, dict) else {}
    code = foreign_code(problem.get("code"), _MALFORMED)
    detail = foreign_detail(problem.get("detail")) if code != _MALFORMED else f"HTTP {status}"
    if status == 409:
        raise Early(code, detail)
    if status >= 500:
        raise Unavailable(code, detail)
    raise Refused(code, detail)


def digest_of(said: Any) -> Digest:
    """Read the answer to an object that was handed in."""
    with _understood("digest"):
        return Digest(said["digest"])


def status_of(said: Any, agency: AgencyId) -> tuple[AgencyStatus, int]:
    """Read an agency's status and its number out of the list of all; `agency-unknown`."""
    with _understood("agencies"):
        for each in said:
            if each["agency"] == agency:
                return AgencyStatus(each["status"]), int(each["status_number"])
    raise Refused("agency-unknown", agency)


def records_of(said: Any) -> list[tuple[str, bytes]]:
    """Read the answer that is the whole register."""
    with _understood("records"):
        return [
            (str(each["topic"]), base64.b64decode(each["value"], validate=True)) for each in said
        ]


@contextmanager
def _understood(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, Refused) as exc:
        raise Unavailable(_MALFORMED, what) from exc


def desk_of(
    directory: Path | None, url: str | None, token_file: Path | None, ca: Path | None = None
) -> Desk:
    """Find the registry: by address and token file, or in a local stack's `stack.json`.

    `ca`: PEM file of the authorities that the registry's certificate is checked against.
    """
    if url is not None and token_file is not None:
        return Desk(url, read_secret(token_file), ca)
    if directory is None:
        raise Refused("registry-not-named", "give --dir, or --url and --token-file")
    try:
        registry = json.loads((directory / "stack.json").read_text())["services"]["registry"]
        return Desk(registry["url"], registry["token"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Unavailable("stack-not-running", f"no usable stack.json in {directory}") from exc
