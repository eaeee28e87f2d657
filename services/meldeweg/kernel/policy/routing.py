"""Who gets a message that names places; and whom an agency may tell what."""

from collections.abc import Iterable

from meldeweg.kernel.agreement.clause import Clause
from meldeweg.kernel.agreement.standing import Standing
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.policy.covering import choose, of_type, precedence
from meldeweg.kernel.policy.notcovered import NotCovered, Phone, Rule, phone_others
from meldeweg.kernel.policy.responsibility import Responsibility, responsible
from meldeweg.kernel.schemas.record import Places
from meldeweg.kernel.schemas.vocabulary import Ground, MessageType
from meldeweg.kernel.trust.objects import AgencyKind


def route(
    agreements: Iterable[Standing],
    *,
    sender: AgencyId,
    kind: MessageType,
    grounds: tuple[Ground, ...],
    places: Places,
) -> Responsibility:
    """Say who gets a message that names places instead of an agency, or raise `NotCovered`.

    `recipient-ambiguous` where both a police authority and a youth office could get it.
    """
    refusals: list[NotCovered] = []
    for held in sorted(agreements, key=precedence):
        try:
            return _route(held, sender, kind, grounds, places)
        except NotCovered as exc:
            if exc.rule is not Rule.SAME_AGENCY:
                exc.call = exc.call or _offices(held, sender, places)
            refusals.append(exc)
    raise min(
        refusals,
        key=lambda refusal: refusal.rule is Rule.SENDER_NOT_PARTY,
        default=NotCovered(Rule.NO_AGREEMENT),
    )


def _route(
    held: Standing,
    sender: AgencyId,
    kind: MessageType,
    grounds: tuple[Ground, ...],
    places: Places,
) -> Responsibility:
    party = held.document.party(sender)
    if party is None:
        raise NotCovered(Rule.SENDER_NOT_PARTY)
    found: list[Responsibility] = []
    typed = False
    for target in AgencyKind:
        clauses = of_type(held.document, party.kind, target, kind)
        typed = typed or bool(clauses)
        if chosen := choose(clauses, grounds):
            found.append(responsible(held.document, chosen[0], target, places, sender))
    if not found:
        raise NotCovered(Rule.GROUND if typed else Rule.TYPE, f"{party.kind}: {kind}")
    others = [one for one in found if one.lead != sender]
    if not others:
        raise NotCovered(Rule.SAME_AGENCY)
    if len(others) > 1:
        raise NotCovered(Rule.AMBIGUOUS, " or ".join(one.lead for one in others))
    return others[0]


def _offices(held: Standing, sender: AgencyId, places: Places) -> tuple[Phone, ...]:
    """Return whom the agreement names for the places, of another kind than the sender first."""
    party = held.document.party(sender)
    if party is None:
        return ()
    kinds = sorted(AgencyKind, key=lambda kind: kind is party.kind)
    offices = [
        held.document.office(kind, ags)
        for kind in kinds
        for ags in (places.place, places.residence)
        if ags is not None
    ]
    found = [office.agency for office in offices if office is not None]
    return phone_others(held.document, sender, found)


def may_tell(held: Standing, sender: AgencyId) -> tuple[tuple[Clause, tuple[AgencyId, ...]], ...]:
    """Return each clause under which `sender` may say something, and to whom."""
    party = held.document.party(sender)
    if party is None:
        return ()
    found = []
    for clause in held.document.clauses:
        partners = tuple(
            other.agency
            for other in held.document.parties
            if other.agency != sender and clause.direction.covers(party.kind, other.kind)
        )
        if partners:
            found.append((clause, partners))
    return tuple(found)
