"""The decision, in numbered steps; what it guarantees stands in `kernel.policy`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from meldeweg.kernel import deadlines
from meldeweg.kernel.agreement.clause import RANK, Clause
from meldeweg.kernel.agreement.document import Party
from meldeweg.kernel.agreement.standing import AgreementStatus, Standing
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.policy.covering import covering, precedence
from meldeweg.kernel.policy.notcovered import NotCovered, NotCoveredYet, Rule, phone_others
from meldeweg.kernel.policy.responsibility import Responsibility, responsible
from meldeweg.kernel.policy.transfer import AMENDMENTS, Permit, Transfer
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, MessageType
from meldeweg.kernel.statement import Urgency

_REFERRING = AMENDMENTS | {MessageType.REPLY}


def decide(agreements: Iterable[Standing], transfer: Transfer, at: datetime) -> Permit:
    """Return the permit of the agreement that covers the transfer best, or raise `NotCovered`.

    `agreements`: `standing(known, at)`. An agreement in force goes before one in run-off, a
    successor before what it replaces, and a permit that waives nothing before one that does.
    """
    permits: list[Permit] = []
    refusals: list[NotCovered] = []
    for held in sorted(agreements, key=precedence):
        try:
            permits.append(_under(held, transfer, at))
        except NotCovered as exc:
            refusals.append(exc)
    if permits:
        return min(permits, key=lambda permit: len(permit.waived))
    strangers = (Rule.SENDER_NOT_PARTY, Rule.RECIPIENT_NOT_PARTY)
    raise min(
        refusals,
        key=lambda refusal: refusal.rule in strangers,
        default=NotCovered(Rule.NO_AGREEMENT),
    )


@dataclass(frozen=True, slots=True)
class _Cover:
    """What steps 1 to 6 find; the instant has no part in it but through the agreement's status."""

    clauses: tuple[Clause, ...]
    where: Responsibility | None
    urgency: Urgency
    waived: tuple[Rule, ...]


_known: dict[tuple[object, ...], _Cover] = {}
_KNOWN_MAX = 4096  # kinds of transfers; a gateway sees a few dozen, again and again


def _under(held: Standing, transfer: Transfer, at: datetime) -> Permit:
    return _permit(held, _remembered(held, transfer), transfer, at)


def _remembered(held: Standing, transfer: Transfer) -> _Cover:
    """Decide each kind of transfer once: everything that `_cover` looks at is in the key."""
    places, original = transfer.places, transfer.original
    key = (
        held.digest,
        held.status,
        transfer.sender,
        transfer.recipient,
        transfer.type,
        transfer.data_categories,
        transfer.grounds,
        transfer.labels is None,
        transfer.entrusted,
        None if places is None else (places.place, places.residence),
        transfer.urgency,
        transfer.override,
        None
        if original is None
        else (
            original.sender,
            original.recipient,
            original.type,
            original.exercise is transfer.exercise,
        ),
    )
    found = _known.get(key)
    if found is None:
        found = _cover(held, transfer)
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[key] = found
    return found


def _cover(held: Standing, transfer: Transfer) -> _Cover:
    try:
        # 1 both are parties of an agreement that every party signed and that has begun
        sender, recipient = _parties(held, transfer.sender, transfer.recipient)
        _check_begun(held)
        _check_not_ended(held)
        # 2 a reply or correction refers to a message between the same two
        _check_reference(transfer)
        # 3 clauses cover direction, type, each ground, each category of data
        clauses = covering(held, sender.kind, recipient.kind, transfer)
        # 4 entrusted data have their ground (§ 65 SGB VIII)
        _check_entrusted(clauses, transfer)
        # 5 the recipient is responsible for the place
        where = _responsible(held, clauses, recipient, transfer)
        # 6 what only administration demands, unless a named person overrides it in danger
        urgency = _urgency(clauses, transfer.urgency)
        waived = _check_administration(held, clauses, transfer, urgency)
    except NotCovered as exc:
        if not exc.call:
            best = exc.responsible or transfer.recipient
            exc.call = phone_others(held.document, transfer.sender, [best])
        raise
    return _Cover(clauses, where, urgency, waived)


def _permit(held: Standing, cover: _Cover, transfer: Transfer, at: datetime) -> Permit:
    clauses, where = cover.clauses, cover.where
    linked = where is not None and where.lead != transfer.recipient
    case_urgency = urgency = cover.urgency
    if linked:  # the lead acts; the other office need not be woken for its copy
        urgency = max(urgency, Urgency.TODAY, key=RANK.__getitem__)
    return Permit(
        agreement=held.digest,
        clause=clauses[0].id,
        clauses=tuple(clause.id for clause in clauses),
        legal_basis=tuple(dict.fromkeys(text for one in clauses for text in one.legal_basis)),
        purpose=clauses[0].purpose,
        obligation=clauses[0].obligation,
        case_urgency=case_urgency,
        urgency=urgency,
        ack_by=min(
            deadlines.ack_by(at, urgency, one, held.document.calendar, transfer.handover_at)
            for one in clauses
            if one.deadlines.has(urgency)  # the leading clause has it, also of a linked copy
        ),
        delete_after=_delete_after(at, held.document.keep_months),
        is_linked_copy=linked,
        linked_copy_to=where.linked_copy if where and not linked else None,
        outside=where.outside if where else (),
        waived=cover.waived,
    )


def _parties(held: Standing, sender: AgencyId, recipient: AgencyId) -> tuple[Party, Party]:
    if sender == recipient:
        raise NotCovered(Rule.SAME_AGENCY)
    first, second = held.document.party(sender), held.document.party(recipient)
    if first is None:
        raise NotCovered(Rule.SENDER_NOT_PARTY)
    if second is None:
        raise NotCovered(Rule.RECIPIENT_NOT_PARTY)
    return first, second


def _check_signed(held: Standing) -> None:
    if held.status is AgreementStatus.DRAFT:
        raise NotCoveredYet(Rule.UNSIGNED)


def _check_begun(held: Standing) -> None:
    _check_signed(held)
    if held.status is AgreementStatus.FUTURE:
        raise NotCovered(Rule.NOT_BEGUN)


def _check_not_ended(held: Standing) -> None:
    if held.status is AgreementStatus.ENDED:
        raise NotCovered(Rule.ENDED)


def _check_reference(transfer: Transfer) -> None:
    if transfer.type not in _REFERRING:
        return
    original = transfer.original
    if original is None:
        raise NotCovered(Rule.REFERENCE, "no original")
    ends = (original.sender, original.recipient)
    same_way = ends == (transfer.sender, transfer.recipient)
    back = ends == (transfer.recipient, transfer.sender)
    if not (back if transfer.type is MessageType.REPLY else same_way):
        raise NotCovered(Rule.REFERENCE, "the original went another way")
    if original.exercise is not transfer.exercise:  # nobody practises on a child's message
        raise NotCovered(Rule.REFERENCE, "the one is an exercise and the other is not")
    if transfer.type in AMENDMENTS and original.type is MessageType.RETRACTION:
        raise NotCovered(Rule.REFERENCE, "a retraction is final")
    if transfer.type is original.type is MessageType.CORRECTION:
        # What it may say follows from the first message, which is thus the one to name.
        raise NotCovered(Rule.REFERENCE, "correct the message that was corrected")


def _check_entrusted(clauses: tuple[Clause, ...], transfer: Transfer) -> None:
    declared = transfer.entrusted
    for clause in clauses:
        if declared is None and transfer.data_categories and clause.section_65.must_declare:
            raise NotCovered(Rule.UNDECLARED, clause.id)
        if declared in (None, Entrusted.NONE):
            if DataCategory.ENTRUSTED in transfer.data_categories:
                raise NotCovered(Rule.UNDECLARED, clause.id)
        elif declared not in clause.section_65.grounds:
            raise NotCovered(Rule.ENTRUSTED, f"{clause.id}: {declared}")


def _responsible(
    held: Standing, clauses: tuple[Clause, ...], recipient: Party, transfer: Transfer
) -> Responsibility | None:
    """Return who is responsible, None where the sender named the agency and no place."""
    if transfer.places is None:
        return None
    found = responsible(held.document, clauses[0], recipient.kind, transfer.places, transfer.sender)
    if recipient.agency not in (found.lead, found.linked_copy):
        raise NotCovered(Rule.NOT_RESPONSIBLE, found.lead, responsible=found.lead)
    return found


def _urgency(clauses: tuple[Clause, ...], asked: Urgency | None) -> Urgency:
    """Return the urgency: asked for or the default, never below the least of any clause."""
    default = min((clause.urgency.default for clause in clauses), key=RANK.__getitem__)
    least = min((clause.urgency.least for clause in clauses), key=RANK.__getitem__)
    return min(asked or default, least, key=RANK.__getitem__)


def _check_administration(
    held: Standing, clauses: tuple[Clause, ...], transfer: Transfer, urgency: Urgency
) -> tuple[Rule, ...]:
    goes_on = transfer.type in AMENDMENTS or all(clause.runs_off for clause in clauses)
    unlabelled = transfer.labels is None and bool(transfer.data_categories)
    checks = {
        Rule.RUN_OFF: held.status is AgreementStatus.RUN_OFF and not goes_on,
        Rule.LABELS: unlabelled and any(clause.labels_required for clause in clauses),
    }
    failed = tuple(rule for rule, holds in checks.items() if holds)
    if failed and not (transfer.override and urgency is Urgency.IMMEDIATE):
        why = "an override counts for an immediate message alone" if transfer.override else ""
        raise NotCovered(failed[0], why)
    return failed


def _delete_after(at: datetime, months: int) -> str:
    """Return the first day of the month after the content's last one (I9)."""
    month = at.year * 12 + at.month + months
    return f"{month // 12:04d}-{month % 12 + 1:02d}-01"


def permit_receipt(held: Standing, sender: AgencyId, recipient: AgencyId) -> None:
    """Refuse unless a receipt may go: between parties that signed; no clause is needed.

    Also after the run-off: what was sent in it is answered as long as it may be held. And before
    the term, by the clock of whoever answers on its first day.
    """
    _parties(held, sender, recipient)
    _check_signed(held)
