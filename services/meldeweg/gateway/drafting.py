"""Decides about an order (steps 3 to 7): type, recipient, agreement, reference, version, keys.

Guarantees: a `Draft` is covered by an agreement, addressed to an agency that can read it, and has
the keys to be sealed to: nothing is left to decide but its number. What corrects or retracts a
message that had a linked copy goes to the copy's recipient too. Pure: the view, the original that
it refers to, its copy and the time come in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from meldeweg.gateway import addressing, phoning
from meldeweg.gateway import order as orders
from meldeweg.gateway.addressing import Addressed
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Warn
from meldeweg.gateway.order import Order
from meldeweg.kernel import schemas
from meldeweg.kernel.agreement import Standing
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, MessageId
from meldeweg.kernel.jwk import SealKey
from meldeweg.kernel.policy import AMENDMENTS, NotCovered, Original, Permit, Transfer, decide
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.vocabulary import DataCategory, MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from meldeweg.kernel.trust.view import View


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom it is sealed to. `open_until`: until when the recipient's key opens."""

    agency: AgencyId
    key: SealKey
    oversight: tuple[SealKey, SealKey]
    open_until: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that may be sent."""

    order: Order = field(repr=False)
    content: Content = field(repr=False)
    categories: tuple[DataCategory, ...]
    version: int
    addressed: Addressed = field(repr=False)
    permit: Permit
    recipient: Recipient
    in_reply_to: MessageId | None


@dataclass(frozen=True, slots=True)
class Referred:
    """What a message refers to, as its recipient knows it."""

    id: MessageId | None
    original: Original | None


@dataclass(frozen=True, slots=True)
class Copied:
    """The linked copy of the message that `in_reply_to` names: who has it, and its id."""

    id: MessageId
    recipient: AgencyId


@dataclass(frozen=True, slots=True)
class Decision:
    """The message, what goes to a second office as well, and what a person should know."""

    draft: Draft
    linked: Draft | None
    warnings: tuple[Warn, ...]


def draft(
    view: View,
    me: AgencyId,
    held: Sequence[Standing],
    order: Order,
    original: Original | None,
    copied: Copied | None,
    now: datetime,
    *,
    stale: bool,
) -> Decision:
    """Take steps 3 to 7.

    `original`: what `in_reply_to` names; `copied`: its linked copy; `stale`: the registry is
    silent.
    """
    try:
        return _decided(view, me, held, order, original, copied, now, stale=stale)
    except NotCovered as exc:
        enrolled = view.agencies().get(me)
        call = phoning.instead(exc, enrolled.kind if enrolled else None)
        rule, responsible = exc.rule.value, exc.responsible
        raise Rejected(
            "not-covered", exc.detail, rule=rule, call=call, responsible=responsible
        ) from exc


def _decided(
    view: View,
    me: AgencyId,
    held: Sequence[Standing],
    order: Order,
    original: Original | None,
    copied: Copied | None,
    now: datetime,
    *,
    stale: bool,
) -> Decision:
    if view.status(me) is AgencyStatus.REVOKED:
        raise Refused("sender-revoked", "this agency was revoked for good")
    # 3 the type is known and the content follows its schema, in the newest version we write
    written = orders.content(order, max(schemas.TYPES[order.type]))
    # 4 the recipient, by agreement and enrolment
    addressed = addressing.resolve(view, me, held, order, written.named_grounds())
    # 5 a clause covers it, 6 and what it refers to went between the same two, 7 version and keys
    referred = Referred(order.asked.in_reply_to, original)
    first = _one(view, me, held, order, written, addressed, referred, now)
    linked, warnings = None, _warnings(view, me, first, now, stale=stale)
    if addressed.places is None and (other := _instead(view, held, addressed, written)):
        warnings = (*warnings, _warn("responsible-is-another", other))
    also = None
    if copied is not None and order.type in AMENDMENTS:
        # Who has a copy of what was wrong must know it too (§ 75(3) BDSG, Art. 19 GDPR).
        also, order = Addressed(copied.recipient, None), _unhurried(order)
    elif first.permit.linked_copy_to is not None:
        also = Addressed(first.permit.linked_copy_to, addressed.places)
    if also is not None:
        there = _referred_there(referred, copied, order.type, also.recipient)
        try:
            addressing.check_recipient(view, me, also.recipient)
            linked = _one(view, me, held, order, written, also, there, now)
        except (Refused, Unavailable):  # also for want of the other office's keys
            # The lead must not wait for the copy; who sends is told to phone the other office.
            warnings = (*warnings, _warn("linked-copy-impossible", also.recipient))
        else:
            if view.status(also.recipient) is AgencyStatus.SUSPENDED:
                warnings = (*warnings, _warn("recipient-suspended", also.recipient))
    return Decision(first, linked, warnings)


def _instead(
    view: View, held: Sequence[Standing], addressed: Addressed, written: Content
) -> AgencyId | None:
    to = view.agency(addressed.recipient)
    return addressing.responsible_instead(held, to, written.named_places())


def _unhurried(order: Order) -> Order:
    """A copy wakes nobody (`policy.Permit`), unless an override needs it to be immediate."""
    asked = order.asked
    if asked.urgency is not Urgency.IMMEDIATE or asked.override is not None:
        return order
    return replace(order, asked=asked.model_copy(update={"urgency": Urgency.TODAY}))


def _referred_there(
    referred: Referred, copied: Copied | None, kind: MessageType, recipient: AgencyId
) -> Referred:
    """Return what a copy refers to: what its office has of the message that the first names."""
    if copied is not None and referred.original is not None and copied.recipient == recipient:
        return Referred(copied.id, replace(referred.original, recipient=recipient))
    if kind in AMENDMENTS or kind is MessageType.REPLY:
        return referred  # which nothing there fits: so it is said
    return Referred(None, None)


def _one(
    view: View,
    me: AgencyId,
    held: Sequence[Standing],
    order: Order,
    written: Content,
    addressed: Addressed,
    referred: Referred,
    now: datetime,
) -> Draft:
    to, original = addressed.recipient, referred.original
    if original is not None and {original.sender, original.recipient} != {me, to}:
        raise Refused("in-reply-to-unknown", "exchanged with another partner")
    categories = written.data_categories()
    permit = _permitted(me, held, order, written, categories, addressed, original, now)
    version = _common_version(view, held, order, to)
    read = written
    if schemas.model(order.type, version) is not type(written):
        order = orders.in_version(order, version)
        read = orders.content(order, version)
        categories = read.data_categories()
        try:  # the recipient judges what it reads
            permit = _permitted(me, held, order, read, categories, addressed, original, now)
        except NotCovered as exc:
            call = phoning.agency(held, to)
            raise Rejected("type-unread", f"{order.type} {version}", call=call) from exc
    recipient = _recipient(view, me, to, now)
    return Draft(order, read, categories, version, addressed, permit, recipient, referred.id)


def _permitted(
    me: AgencyId,
    held: Sequence[Standing],
    order: Order,
    written: Content,
    categories: tuple[DataCategory, ...],
    addressed: Addressed,
    original: Original | None,
    now: datetime,
) -> Permit:
    asked = order.asked
    transfer = Transfer(
        sender=me,
        recipient=addressed.recipient,
        type=order.type,
        data_categories=categories,
        grounds=written.named_grounds(),
        labels=order.labels,
        entrusted=written.entrusted,
        places=addressed.places,
        handover_at=written.handover.at if written.handover else None,
        urgency=asked.urgency,
        override=asked.override is not None,
        exercise=asked.exercise,
        original=original,
    )
    return decide(held, transfer, now)


def _common_version(view: View, held: Sequence[Standing], order: Order, to: AgencyId) -> int:
    """Return the newest version that both read."""
    try:
        return schemas.newest_common(order.type, view.reads(to))
    except Early as exc:
        raise Rejected("type-unread", order.type, call=phoning.agency(held, to)) from exc


def _recipient(view: View, me: AgencyId, to: AgencyId, now: datetime) -> Recipient:
    newest = view.newest(to, KeyUse.SEAL, now)
    key = newest.key
    assert isinstance(key, SealKey)  # certified for sealing
    oversight = (
        view.key_for(me, KeyUse.OVERSIGHT, now),
        view.key_for(to, KeyUse.OVERSIGHT, now),
    )
    return Recipient(to, key, oversight, newest.certificate.valid_until)


_GERMAN = {
    "recipient-suspended": "Der Empfänger ist zurzeit gesperrt. Die Meldung wartet; rufen Sie an.",
    "sender-suspended": "Diese Behörde ist zurzeit gesperrt. Die Meldung wartet; rufen Sie an.",
    "snapshot-stale": "Das zentrale Verzeichnis hat sich länger nicht gemeldet.",
    "place-outside": "Ein Ort liegt außerhalb des Kreises. Rufen Sie die dortige Stelle an.",
    "responsible-is-another": "Für den genannten Ort ist nach der Vereinbarung eine andere Stelle "
    "zuständig. Prüfen Sie, ob der Empfänger stimmt.",
    "override-used": "Mit Begründung trotz Hindernis gesendet; das wird nachträglich geprüft.",
    "oversight-key-ended": "Ein Schlüssel des Datenschutzes ist abgelaufen; er ist zu erneuern.",
    "linked-copy-impossible": "Die Kopie an die zweite Stelle ist nicht möglich; rufen Sie an.",
}


def _warnings(
    view: View, me: AgencyId, first: Draft, now: datetime, *, stale: bool
) -> tuple[Warn, ...]:
    suspended = AgencyStatus.SUSPENDED
    to = first.recipient.agency
    found = {
        "recipient-suspended": view.status(to) is suspended,
        "sender-suspended": view.status(me) is suspended,
        "snapshot-stale": stale,
        "place-outside": bool(first.permit.outside),
        "override-used": bool(first.permit.waived),
        "oversight-key-ended": any(_officer_is_late(view, each, now) for each in (me, to)),
    }
    return tuple(_warn(code) for code, holds in found.items() if holds)


def _officer_is_late(view: View, agency: AgencyId, now: datetime) -> bool:
    try:
        view.newest(agency, KeyUse.OVERSIGHT, now)
    except Unavailable:
        return True
    return False


def _warn(code: str, agency: AgencyId | None = None) -> Warn:
    text = _GERMAN[code]
    return Warn(code=code, text=f"{text} ({agency})" if agency else text)
