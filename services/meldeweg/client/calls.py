"""Each call of the API as a value: what is asked, how its answer is read, and when it may be
asked again. Pure; `gateway` and `asynchronous` only carry them out.
"""

import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2

from meldeweg.client import errors, reading
from meldeweg.client.types import (
    Accepted,
    Agency,
    Contact,
    InboxPage,
    Municipality,
    Opened,
    Permission,
    Preview,
    QuarantinePage,
    QuarantineRecord,
    Receipt,
    SentMessage,
    SentPage,
    Version,
)

T = TypeVar("T")
Json = Mapping[str, Any]
SETTLED = ("acknowledged", "refused", "retracted", "undeliverable")  # nothing more will happen


class Again(Enum):
    """When the same call may be sent again without asking the caller."""

    ALWAYS = "the gateway recognises it"
    UNSENT = "only if it surely was not processed: no connection, or 503"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call. `read` gets status and parsed body of a success."""

    method: str
    path: str
    read: Callable[[int, Any], T]
    query: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    again: Again = Again.ALWAYS

    def url(self, base: str) -> str:
        """Return the whole address."""
        pairs = [f"{name}={quote(str(one), safe='')}" for name, one in self._given()]
        return f"{base}{self.path}{'?' if pairs else ''}{'&'.join(pairs)}"

    def _given(self) -> list[tuple[str, Any]]:
        return [(name, one) for name, one in self.query.items() if one is not None]

    def answer(self, status: int, kind: str, data: bytes) -> T:
        """Return the value of a success; raise the problem, or UnexpectedAnswer."""
        document = reading.document(data)
        if document is reading.NOT_JSON:
            raise errors.UnexpectedAnswer(f"HTTP {status}, not JSON")
        if status in (200, 201):
            return self.read(status, document)
        if kind.startswith("application/problem+json") and isinstance(document, dict):
            raise errors.of(status, document)
        raise errors.UnexpectedAnswer(f"HTTP {status}, not a problem document")

    def may_repeat(self, status: int) -> bool:
        """Say whether this status is worth another try."""
        return status == 503 or (status in (408, 502, 504) and self.again is Again.ALWAYS)


def unsent_or_safe(call: Call[Any], error: httpx2.TransportError) -> bool:
    """Say whether the call may be sent again after the connection failed like this."""
    unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return unsent or call.again is Again.ALWAYS


def pause(attempt: int, retry_after: str | None) -> float:
    """Seconds before try `attempt` + 1: what the gateway asks for, or doubling, with jitter."""
    told = retry_after is not None and retry_after.isascii() and retry_after.isdigit()
    asked = float(retry_after or "") if told else 0.0  # "²" is a digit, and no number
    seconds: float = min(max(asked, 0.2 * 2.0**attempt), 10.0)
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


def send(
    type_: str,
    to: Json,
    content: Json,
    *,
    acting_person: str,
    key: str | None = None,
    dry_run: bool = False,
    **more: Any,
) -> Call[Any]:
    """`more`: thread, in_reply_to, addressee, urgency, labels, exercise, override."""
    document = {"type": type_, "to": to, "acting_person": acting_person, "content": content}
    document |= {name: one for name, one in more.items() if one is not None}
    # The same arguments give the same bytes: that is what makes sending again safe.
    data = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    if dry_run:
        return _post("/v1/messages", data, _one(Preview), query={"dry_run": "true"})
    key = key or str(uuid.uuid4())

    def accepted(status: int, answer: Any) -> Accepted:
        return replace(reading.value(Accepted, answer), key=key)

    return _post("/v1/messages", data, accepted, headers={"Idempotency-Key": key})


def sent_list(after: str | None, limit: int, state: str | None) -> Call[SentPage]:
    query = {"after": after, "limit": limit, "state": state}
    return Call("GET", "/v1/messages", _one(SentPage), query)


def sent_one(message: str) -> Call[SentMessage]:
    return Call("GET", f"/v1/messages/{quote(message, safe='')}", _one(SentMessage))


def inbox(after: str | None, limit: int) -> Call[InboxPage]:
    return Call("GET", "/v1/inbox", _one(InboxPage), {"after": after, "limit": limit})


def opened(message: str, acting_person: str, sender: str | None) -> Call[Opened]:
    # The gateway leaves out the blanks around a name, and a header can't carry them.
    # Each look is on the record: one that may have happened is not repeated silently.
    return Call(
        "GET",
        f"/v1/inbox/{quote(message, safe='')}",
        _one(Opened),
        {"sender": sender},
        {"Acting-Person": acting_person.strip()},
        again=Again.UNSENT,
    )


def receipt(message: str, sender: str | None, **order: Any) -> Call[Receipt]:
    """`order`: kind, by, code, responsible, reason."""
    data = json.dumps({name: one for name, one in order.items() if one is not None}).encode()

    def given(status: int, answer: Any) -> Receipt:
        return replace(reading.value(Receipt, answer), new=status == 201)

    path = f"/v1/inbox/{quote(message, safe='')}/receipts"
    return _post(path, data, given, query={"sender": sender})


def agencies() -> Call[tuple[Agency, ...]]:
    return Call("GET", "/v1/agencies", _items(Agency))


def contacts() -> Call[tuple[Contact, ...]]:
    return Call("GET", "/v1/contacts", _items(Contact))


def municipalities(q: str, limit: int) -> Call[tuple[Municipality, ...]]:
    return Call("GET", "/v1/municipalities", _items(Municipality), {"q": q, "limit": limit})


def permissions() -> Call[tuple[Permission, ...]]:
    return Call("GET", "/v1/permissions", _items(Permission))


def quarantine(after: str | None, limit: int) -> Call[QuarantinePage]:
    return Call("GET", "/v1/quarantine", _one(QuarantinePage), {"after": after, "limit": limit})


def quarantined(record: str) -> Call[QuarantineRecord]:
    return Call("GET", f"/v1/quarantine/{quote(record, safe='')}", _one(QuarantineRecord))


def version() -> Call[str]:
    return Call("GET", "/version", lambda _, answer: reading.value(Version, answer).version)


def _post(path: str, data: bytes, read: Callable[[int, Any], T], **more: Any) -> Call[T]:
    headers = {"Content-Type": "application/json"} | more.pop("headers", {})
    return Call("POST", path, read, headers=headers, body=data, **more)


def _one(kind: type[T]) -> Callable[[int, Any], T]:
    return lambda _, answer: reading.value(kind, answer)


def _items(kind: type[T]) -> Callable[[int, Any], tuple[T, ...]]:
    def read(status: int, answer: Any) -> tuple[T, ...]:
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise errors.UnexpectedAnswer("not a list")
        return tuple(reading.value(kind, one) for one in answer["items"])

    return read
