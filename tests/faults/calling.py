"""One call of a gateway's API, as a case system would make it, and its two lines in the history.

The calls are those of `meldeweg.client`; the patience is our own, and short: what does not answer
in time may have happened. A refusal by 4xx or 503 is believed to have kept nothing.
"""

from typing import Any

import httpx2

from faults.evidence import Phase
from faults.history import History
from meldeweg.client import GatewayError, Problem, calls
from meldeweg.client.connection import encoded
from meldeweg.kernel.ids import AgencyId

_TIMEOUT = httpx2.Timeout(5.0, connect=2.0)  # seconds; far below what a frozen process waits


class Missed(Exception):
    """No answer that counts. `again`: the same call may be worth another try."""

    def __init__(self, code: str, *, again: bool) -> None:
        super().__init__(code)
        self.code, self.again = code, again


class Caller:
    """Calls one gateway; not thread-safe."""

    def __init__(self, agency: AgencyId, url: str, token: str, history: History) -> None:
        self._agency, self._url, self._history = agency, url, history
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._http = httpx2.Client(headers=headers, timeout=_TIMEOUT, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def do(self, name: str, call: calls.Call[Any], told: Any, **asked: Any) -> Any:
        """Make a call once; `told(answer)` are the facts for the history. Raises Missed."""
        op = self._history.invoke(name, self._agency, **asked)
        try:
            answer = self._answer(call)
        except Missed as missed:
            unheard = missed.code.startswith("unheard")
            phase = Phase.UNKNOWN if unheard else Phase.FAIL
            self._history.end(op, phase, name, self._agency, code=missed.code)
            raise
        self._history.end(op, Phase.OK, name, self._agency, **told(answer))
        return answer

    def _answer(self, call: calls.Call[Any]) -> Any:
        try:
            found = self._http.request(
                call.method,
                call.url(self._url),
                headers=encoded(call.headers),
                content=call.body,
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise Missed("unreachable", again=True) from None
        except httpx2.TransportError as exc:
            raise Missed(f"unheard-{type(exc).__name__.lower()}", again=True) from None
        try:
            return call.answer(
                found.status_code, found.headers.get("content-type", ""), found.content
            )
        except Problem as exc:
            if exc.status >= 500 and exc.status != 503:
                raise Missed(f"unheard-{exc.status}", again=True) from None
            raise Missed(exc.code, again=exc.status == 503) from None
        except GatewayError as exc:
            raise Missed(f"unheard-{type(exc).__name__.lower()}", again=True) from None
