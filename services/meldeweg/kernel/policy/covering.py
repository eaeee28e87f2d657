"""Which clauses of an agreement cover a message: by direction, type, each ground and each category.

Pure; the order in which clauses stand decides only where nothing else does.
"""

from collections.abc import Sequence

from meldeweg.kernel.agreement.clause import RANK, Clause, Obligation
from meldeweg.kernel.agreement.document import Agreement
from meldeweg.kernel.agreement.standing import AgreementStatus, Standing
from meldeweg.kernel.policy.notcovered import NotCovered, Rule
from meldeweg.kernel.policy.transfer import AMENDMENTS, Transfer
from meldeweg.kernel.schemas.vocabulary import DataCategory, Ground, MessageType
from meldeweg.kernel.trust.objects import AgencyKind

PRECEDENCE = (
    AgreementStatus.IN_FORCE,
    AgreementStatus.RUN_OFF,
    AgreementStatus.DRAFT,
    AgreementStatus.FUTURE,
    AgreementStatus.ENDED,
)
"""Which agreement is asked first, where two agencies have several."""


def precedence(held: Standing) -> tuple[int, bool]:
    """Return the key to sort by; what a successor has replaced comes behind its like."""
    return PRECEDENCE.index(held.status), held.replaced


def of_type(
    document: Agreement, sender: AgencyKind, recipient: AgencyKind, kind: MessageType
) -> list[Clause]:
    """Return the clauses for a type of message in a direction, in the order of the document."""
    return [
        clause
        for clause in document.clauses
        if clause.direction.covers(sender, recipient) and kind in clause.types
    ]


def covering(
    held: Standing, sender: AgencyKind, recipient: AgencyKind, transfer: Transfer
) -> tuple[Clause, ...]:
    """Return the clauses that together cover the transfer, the leading one first; or refuse."""
    found = of_type(held.document, sender, recipient, transfer.type)
    if not found:
        raise NotCovered(Rule.TYPE, f"{sender} to {recipient}: {transfer.type}")
    asked = transfer.original.type if transfer.original else None
    if transfer.type is MessageType.REPLY and asked is not None:
        found = [clause for clause in found if asked in clause.replies_to]
        if not found:
            raise NotCovered(Rule.REFERENCE, f"no reply to {asked}")
    chosen = choose(found, transfer.grounds)
    if held.status is AgreementStatus.RUN_OFF:
        # What goes on after the term goes before what ended with it.
        going_on = choose([clause for clause in found if clause.runs_off], transfer.grounds)
        chosen = going_on or chosen
    if not chosen:
        raise NotCovered(Rule.GROUND, ", ".join(transfer.grounds) or "no ground")
    for clause in chosen:
        if clause.data_categories != "any":
            _refuse_if(set(transfer.data_categories) - set(clause.data_categories))
    if transfer.type is MessageType.CORRECTION:
        _refuse_if(_beyond_original(held.document, sender, recipient, transfer))
    return chosen


def _beyond_original(
    document: Agreement, sender: AgencyKind, recipient: AgencyKind, transfer: Transfer
) -> set[DataCategory]:
    """Return what the corrected message may not have held: feedback has no second way to go.

    One clause for its type must allow all of it; where the agreement knows no such message, none.
    Of which type it was, whoever has erased it can't tell: then any that may be corrected will do.
    """
    assert transfer.original is not None  # step 2
    said = set(transfer.data_categories)
    extra = said
    kinds = set(MessageType) - AMENDMENTS
    if transfer.original.type is not None:
        kinds = {transfer.original.type}
    for clause in document.clauses:
        if not clause.direction.covers(sender, recipient) or kinds.isdisjoint(clause.types):
            continue
        if clause.data_categories == "any" or said <= set(clause.data_categories):
            extra = set()
    # § 35 SGB I: whatever a document says, the police are not told how a case goes.
    if recipient is AgencyKind.POLICE and sender is AgencyKind.YOUTH_OFFICE:
        extra = extra | said & {DataCategory.CASE_COURSE}
    return extra


def _refuse_if(extra: set[DataCategory]) -> None:
    if extra:
        raise NotCovered(Rule.DATA_CATEGORY, ", ".join(sorted(extra)))


def choose(clauses: Sequence[Clause], grounds: tuple[Ground, ...]) -> tuple[Clause, ...]:
    """Return one clause for each ground, the leading one first; empty unless all are covered.

    A clause that names the ground goes before one for any, a duty before a permission; the most
    urgent of those chosen leads.
    """
    chosen: list[Clause] = []
    for ground in grounds or (None,):
        fitting = [
            clause
            for clause in clauses
            if (clause.grounds == "any" if ground is None else clause.covers(ground))
        ]
        if not fitting:
            return ()
        chosen.append(min(fitting, key=lambda one: (one.grounds == "any", _weight(one))))
    return tuple(
        sorted(
            {clause.id: clause for clause in chosen}.values(),  # a clause's own hash is slow
            key=lambda one: (
                RANK[one.urgency.least],
                RANK[one.urgency.default],
                _weight(one),
                clauses.index(one),
            ),
        )
    )


def _weight(clause: Clause) -> bool:
    return clause.obligation is not Obligation.DUTY
