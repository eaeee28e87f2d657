"""What is decided about, and what a decision says; and what the recipient judges again.

Guarantees: nothing here holds content; all of it can be had from the signed context and the sealed
record, so sender, recipient and auditor decide on the same facts.
"""

from dataclasses import dataclass
from datetime import datetime

from meldeweg.kernel.agreement.clause import Obligation
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.policy.notcovered import Rule
from meldeweg.kernel.schemas.record import Labels, Places, RecordBody
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency

AMENDMENTS = frozenset({MessageType.CORRECTION, MessageType.RETRACTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message that a reply, correction or retraction refers to.

    `type`: None where whoever decides has erased it; what kind it was stood in its sealed part.
    """

    sender: AgencyId
    recipient: AgencyId
    type: MessageType | None
    exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What is to be decided: facts of the message, never its content.

    `urgency`: as asked for, or None. `override`: a named person gave a reason.
    """

    sender: AgencyId
    recipient: AgencyId
    type: MessageType
    data_categories: tuple[DataCategory, ...]
    grounds: tuple[Ground, ...] = ()
    labels: Labels | None = None
    entrusted: Entrusted | None = None
    places: Places | None = None
    handover_at: datetime | None = None
    urgency: Urgency | None = None
    override: bool = False
    exercise: bool = False
    original: Original | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """It may be sent. `clause` leads; `clauses` are all that cover its grounds.

    `urgency` is the message's, `case_urgency` that of what it is about: a linked copy is never
    `immediate`, for the office that leads is the one to wake. `ack_by` in UTC; `delete_after` as
    the context has it; `waived`: which administrative rules an override passed (to be reviewed);
    `outside`: places whose offices are no parties: phone them.
    """

    agreement: Digest
    clause: str
    clauses: tuple[str, ...]
    legal_basis: tuple[str, ...]
    purpose: str
    obligation: Obligation
    case_urgency: Urgency
    urgency: Urgency
    ack_by: datetime
    delete_after: str
    is_linked_copy: bool = False
    linked_copy_to: AgencyId | None = None
    outside: tuple[Ags, ...] = ()
    waived: tuple[Rule, ...] = ()


def transfer_of(
    record: RecordBody,
    *,
    sender: AgencyId,
    recipient: AgencyId,
    exercise: bool,
    original: Original | None = None,
) -> Transfer:
    """Return what the recipient has to judge again, from context and record alone (step 9)."""
    return Transfer(
        sender=sender,
        recipient=recipient,
        type=record.type,
        data_categories=record.data_categories,
        grounds=record.grounds,
        labels=record.labels,
        entrusted=record.entrusted,
        places=record.places,
        handover_at=record.handover_at,
        urgency=record.urgency,
        override=record.override is not None,
        exercise=exercise,
        original=original,
    )


def confirm(permit: Permit, record: RecordBody, urgency: Urgency) -> None:
    """Refuse `record-contradicts` unless record and context claim what the agreement says.

    `urgency`: the context's.
    `ack_by` is not compared: the recipient watches the earlier of both.
    """
    claimed = (record.clause, record.legal_basis, record.purpose, record.urgency, urgency)
    own = (permit.clause, permit.legal_basis, permit.purpose, permit.case_urgency, permit.urgency)
    if claimed != own:
        raise Refused("record-contradicts", "clause, legal basis, purpose or urgency")
