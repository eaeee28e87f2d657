"""Whether an agreement holds at an instant: draft, future, in force, run-off, ended.

Pure. The instant is the one at which a message was *made* (`created` of its context), at both ends:
what was sent within the term is accepted however late it arrives (I1).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from meldeweg.kernel.agreement.document import LONGEST_MONTH, Agreement
from meldeweg.kernel.ids import AgencyId, Digest

BERLIN = ZoneInfo("Europe/Berlin")
_BESIDE = timedelta(days=1)  # in which every gateway gets to read that one is signed


class AgreementStatus(StrEnum):
    """In the order of an agreement's life."""

    DRAFT = "draft"  # a signature is missing
    FUTURE = "future"
    IN_FORCE = "in-force"
    RUN_OFF = "run-off"  # only what duty demands still flows
    ENDED = "ended"


class Known(Protocol):
    """A verified agreement as the register knows it (`kernel.trust.view.KnownAgreement`)."""

    @property
    def digest(self) -> Digest: ...

    @property
    def document(self) -> Agreement: ...

    @property
    def signed_by(self) -> Collection[AgencyId]: ...

    @property
    def signed_at(self) -> datetime | None:
        """When the last party signed; None while one has not."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An agreement and what it is worth at one instant.

    `last_day`: of its run-off, from then on it is ended; None without an end, or if it never began.
    `replaced`: a successor has begun, so nothing new is sent under this one.
    """

    digest: Digest
    document: Agreement
    status: AgreementStatus
    last_day: date | None = None
    replaced: bool = False

    def gone_after(self) -> date | None:
        """Return the day on which nothing that was sent under it may be held any more (I9)."""
        if self.last_day is None:
            return None
        return self.last_day + timedelta(days=(self.document.keep_months + 1) * LONGEST_MONTH)


def status(document: Agreement, signed_by: Collection[AgencyId], now: datetime) -> AgreementStatus:
    """Return what the document is worth by itself, knowing nothing of a later one."""
    if not {party.agency for party in document.parties} <= set(signed_by):
        return AgreementStatus.DRAFT
    today = now.astimezone(BERLIN).date()
    if today < document.term.first:
        return AgreementStatus.FUTURE
    if document.term.until is None:
        return AgreementStatus.IN_FORCE
    return _after(document, document.term.until, today)


def _after(document: Agreement, last_day: date, today: date) -> AgreementStatus:
    if today <= last_day:
        return AgreementStatus.IN_FORCE
    if today <= last_day + timedelta(days=document.term.run_off_days):
        return AgreementStatus.RUN_OFF
    return AgreementStatus.ENDED


def _ended_by(first: date, old: Agreement, today: date) -> AgreementStatus:
    """Return what `old` is worth under a successor that began on `first`."""
    if first < old.term.first:
        return AgreementStatus.ENDED  # it never began, so nothing of it can run off
    return _after(old, first - timedelta(days=1), today)


def standing(known: Iterable[Known], now: datetime) -> tuple[Standing, ...]:
    """Return every agreement with its status, later ones that replace others considered.

    One replaces another only if all parties of the other signed it too: nobody's agreement is ended
    without them. What is replaced runs off from the day on which its successor begins. One that was
    signed when it had begun already, or on the eve of it, leaves the old one in force beside it
    until the end of the day after: whoever had not read the last signature sent under what there
    was (I1). A signature counts from the day before the one that it states, as clocks may differ:
    else a party could keep the old one for as long as it likes by dating it ahead.
    """
    held = list(known)
    signed = {one.digest: one.signed_at for one in held}
    found = {one.digest: _status_signed(one, now) for one in held}
    documents = {one.digest: one.document for one in held}
    today = now.astimezone(BERLIN).date()
    worth = dict(found)
    replaced: set[Digest] = set()
    last = {name: _run_off_end(one, one.term.until) for name, one in documents.items()}
    for new, document in documents.items():
        previous = document.replaces
        if previous is None or previous not in documents:
            continue
        old = documents[previous]
        if found[new] in (AgreementStatus.DRAFT, AgreementStatus.FUTURE):
            continue
        own = found[previous]
        if own is AgreementStatus.DRAFT:
            continue  # a successor lends it no signatures: what never held does not run off either
        if {party.agency for party in old.parties} <= {party.agency for party in document.parties}:
            first = _in_its_place(document, signed[new])
            then = _ended_by(first, old, today)
            worth[previous] = max(worth[previous], then, key=list(AgreementStatus).index)
            last[previous] = _sooner(last[previous], old, first)
            replaced.add(previous)
    return tuple(
        Standing(name, documents[name], worth[name], last[name], name in replaced)
        for name in documents
    )


def _status_signed(one: Known, now: datetime) -> AgreementStatus:
    today = now.astimezone(BERLIN).date()
    ahead = one.signed_at is not None and _day(one.signed_at) > today + _BESIDE
    return status(one.document, () if ahead else one.signed_by, now)


def _day(at: datetime) -> date:
    return at.astimezone(BERLIN).date()


def _in_its_place(document: Agreement, signed_at: datetime | None) -> date:
    """Return the first day on which a successor stands alone."""
    assert signed_at is not None  # it is no draft
    return max(document.term.first, _day(signed_at) + _BESIDE * 2)


def _run_off_end(document: Agreement, until: date | None) -> date | None:
    return None if until is None else until + timedelta(days=document.term.run_off_days)


def _sooner(own: date | None, old: Agreement, successor: date) -> date | None:
    """Return the end of `old`'s run-off under a successor that began on that day."""
    if successor < old.term.first:
        return None
    replaced = _run_off_end(old, successor - timedelta(days=1))
    return replaced if own is None or replaced is None else min(own, replaced)
