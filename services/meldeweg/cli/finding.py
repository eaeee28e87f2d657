"""Finds a message by the Kennzeichen that people tell each other on the telephone."""

import re
from typing import TYPE_CHECKING

from meldeweg.kernel.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meldeweg.client import Gateway, InboxItem, SentSummary

_KENNZEICHEN = re.compile(r"[0-9A-HJKMNP-TV-Z]{6}")
_PAGES = 50  # of 200: further back a Kennzeichen may have been used again anyway


def sent(gateway: "Gateway", text: str) -> str:
    """Return the id of a sent message by id or Kennzeichen; the newest counts."""
    if not (mark := _mark(text)):
        return text
    after = None
    for _ in range(_PAGES):
        page = gateway.sent_messages(after=after, limit=200)
        if found := _with(mark, page.items):
            return found[0].id
        if page.next is None:
            break
        after = page.next
    raise Refused("message-unknown", mark)


def received(gateway: "Gateway", text: str) -> str:
    """Return the id of a received message by id or Kennzeichen; two of one name are refused."""
    if not (mark := _mark(text)):
        return text
    found = []
    for number, page in enumerate(gateway.inbox_pages()):
        found += _with(mark, page.items)
        if number > _PAGES:
            break
    if len(found) > 1:
        raise Refused("message-ambiguous", ", ".join(one.id for one in found))
    if not found:
        raise Refused("message-unknown", mark)
    return found[0].id


def _mark(text: str) -> str | None:
    """Return the Kennzeichen as it is written; spoken O, I and L are 0, 1 and 1 (Crockford)."""
    mark = text.upper().translate(str.maketrans("OIL", "011", "- "))
    return mark if _KENNZEICHEN.fullmatch(mark) else None


def _with(mark: str, items: "Iterable[InboxItem | SentSummary]") -> "list[InboxItem | SentSummary]":
    return [one for one in items if one.kennzeichen == mark]
