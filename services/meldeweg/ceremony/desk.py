"""The registry's desk over HTTP: hand in signed objects, pull the brake, ask."""

import base64
import json
from pathlib import Path
from typing import Any, Self

import httpx2

from meldeweg.kernel.authority import trusting
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.settings import read_secret
from meldeweg.kernel.trust.objects import AgencyStatus

_TIMEOUT = 30.0  # seconds; pulling the brake waits for the broker


class Desk:
    """One connection to one registry. `token`: the operators'."""

    def __init__(self, url: str, token: str, ca: Path | None = None) -> None:
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            verify=trusting(ca),
            trust_env=False,
        )

    def submit(self, value: bytes) -> Digest:
        """Hand in one signed object; returns its digest, or raises what the desk said."""
        return Digest(self._call("POST", "/v1/records", content=value)["digest"])

    def set_status(self, agency: AgencyId, status: AgencyStatus, reason: str) -> None:
        """Suspend or resume; returns once the broker acts on it."""
        body = {"status": status.value, "reason": reason}
        self._call("POST", f"/v1/agencies/{agency}/status", json=body)

    def agencies(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/agencies")
        return found

    def status_number(self, agency: AgencyId) -> int:
        """Return the number of the agency's last change of status; refuses an unknown agency."""
        for each in self.agencies():
            if each["agency"] == agency:
                return int(each["status_number"])
        raise Refused("agency-unknown", agency)

    def agreements(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", "/v1/agreements")
        return found

    def records(self) -> list[tuple[str, bytes]]:
        """Return every record of trust that the registry has seen, as (topic, value)."""
        found = self._call("GET", "/v1/records")
        try:
            return [(str(each["topic"]), base64.b64decode(each["value"])) for each in found]
        except (KeyError, TypeError, ValueError) as exc:
            raise Unavailable("registry-answer-malformed", "records") from exc

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
        if answer.is_success:
            try:
                return answer.json()
            except ValueError as exc:
                raise Unavailable("registry-answer-malformed", "not JSON") from exc
        try:
            problem = answer.json()
            code, detail = str(problem["code"]), str(problem.get("detail", ""))
        except (ValueError, KeyError, TypeError):
            code, detail = "registry-answer-malformed", f"HTTP {answer.status_code}"
        match answer.status_code:
            case 409:
                raise Early(code, detail)
            case status if status >= 500:
                raise Unavailable(code, detail)
            case _:
                raise Refused(code, detail)


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
