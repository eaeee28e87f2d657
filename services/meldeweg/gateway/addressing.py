"""Who gets it (step 4): an agency by name, or the office responsible for a place.

Guarantees: identity, key and responsibility are those of one and the same agency: the agreement
says who is responsible and the anchor's enrolment must say the same, or nothing is sent (a
directory that is wrong once sends every message to the wrong office). Pure.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from meldeweg.gateway import phoning
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.order import Order
from meldeweg.kernel.agreement import AgreementStatus, Standing
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import precedence, route
from meldeweg.kernel.schemas.record import Places
from meldeweg.kernel.schemas.vocabulary import Ground
from meldeweg.kernel.trust.objects import AgencyKind, AgencyStatus, Enrolment
from meldeweg.kernel.trust.view import View

_SIGNED = frozenset({AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF, AgreementStatus.FUTURE})


@dataclass(frozen=True, slots=True)
class Addressed:
    """The recipient, and the places it was found by (None where the sender named the agency)."""

    recipient: AgencyId
    places: Places | None


class _UnknownPlaceError(Exception):
    """No agreement of ours has a municipality of that name."""


def resolve(
    view: View, me: AgencyId, held: Sequence[Standing], order: Order, grounds: tuple[Ground, ...]
) -> Addressed:
    """Find the recipient.

    Raises `Refused`: `agency-unknown`, `agency-revoked`, `recipient-is-sender`, `place-unknown`,
    `place-ambiguous`, `responsibility-contradicts`, and `not-covered` (outside the district).
    """
    to = order.asked.to
    if to.agency is not None:
        return Addressed(_known(view, me, to.agency).agency, None)
    try:
        places = Places(place=_ags(held, to.place), residence=_ags(held, to.residence))
    except _UnknownPlaceError as exc:
        call = phoning.elsewhere(_kind(view, me))
        raise Rejected("place-unknown", call=call) from exc
    lead = route(held, sender=me, kind=order.type, grounds=grounds, places=places).lead
    enrolment = _known(view, me, lead)
    _check_enrolled(view, held, enrolment, places)
    return Addressed(lead, places)


def responsible_instead(
    held: Sequence[Standing], to: Enrolment, named: Sequence[Ags]
) -> AgencyId | None:
    """Return whom the agreements make responsible for the places of a content, if it is not `to`.

    None where one of them is the addressee's, or no agreement knows them: the sender may know
    better (a child that lives elsewhere), so this is a reason to ask a person and none to refuse.
    """
    offices = [_office(held, to.kind, ags) for ags in named]
    found = [office for office in offices if office is not None]
    return None if to.agency in found else next(iter(found), None)


def check_recipient(view: View, me: AgencyId, agency: AgencyId) -> None:
    """Refuse an agency that nothing can be sent to: `agency-unknown`, `agency-revoked`."""
    _known(view, me, agency)


def _known(view: View, me: AgencyId, agency: AgencyId) -> Enrolment:
    if agency == me:
        raise Refused("recipient-is-sender", "")
    try:
        enrolment = view.agency(agency)
    except Early as exc:
        raise Refused("agency-unknown", agency) from exc
    if view.status(agency) is AgencyStatus.REVOKED:
        raise Refused("agency-revoked", agency)
    return enrolment


def _kind(view: View, me: AgencyId) -> AgencyKind | None:
    found = view.agencies().get(me)
    return found.kind if found else None


def _ags(held: Sequence[Standing], named: str | None) -> Ags | None:
    """Return the key of a municipality given by key or by its exact name.

    A name is what the agreements that count most say it is: a slip in a draft, or in what has been
    replaced, makes no place ambiguous.
    """
    if named is None:
        return None
    if Ags.PATTERN.fullmatch(named):
        return Ags(named)
    wanted = _folded(named)
    for _, alike in groupby(sorted(held, key=precedence), key=precedence):
        found = {
            ags
            for standing in alike
            for ags, name in standing.document.municipalities.items()
            if _folded(name) == wanted
        }
        if len(found) > 1:
            raise Refused("place-ambiguous", "")
        if found:
            return found.pop()
    raise _UnknownPlaceError


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _check_enrolled(
    view: View, held: Sequence[Standing], enrolment: Enrolment, places: Places
) -> None:
    """Refuse unless the enrolments say of each place of the lead what the agreement says.

    An enrolment counts at once and an agreement from a day on: while a place moves from one office
    to another, they may name whom the agreement before or after names.
    """
    for ags in (places.place, places.residence):
        if ags is None or not _leads(held, enrolment, ags):
            continue
        others = {
            each.agency
            for each in view.agencies().values()
            if each.kind is enrolment.kind and ags in each.municipalities
        }
        if others != {enrolment.agency} and not _moves(held, enrolment.kind, ags, others):
            found = phoning.agency(held, enrolment.agency)
            raise Rejected("responsibility-contradicts", ags, call=found)


def _moves(held: Sequence[Standing], kind: AgencyKind, ags: Ags, named: set[AgencyId]) -> bool:
    """Say whether signed agreements that hold, or will, name all of these offices for a place."""
    offices = {
        office.agency
        for one in held
        if one.status in _SIGNED and (office := one.document.office(kind, ags)) is not None
    }
    return bool(named) and named <= offices


def _leads(held: Sequence[Standing], enrolment: Enrolment, ags: Ags) -> bool:
    return _office(held, enrolment.kind, ags) == enrolment.agency


def _office(held: Sequence[Standing], kind: AgencyKind, ags: Ags) -> AgencyId | None:
    """Return who is responsible for a municipality by the agreement that counts most."""
    for standing in sorted(held, key=precedence):
        office = standing.document.office(kind, ags)
        if office is not None:
            return office.agency
    return None
