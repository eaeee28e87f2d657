"""Whom a person is told to phone where a message does not go, or nobody takes it.

Guarantees: numbers come from the signed agreement, or are the emergency number; nobody is sent to
themselves, nor the police to 110; where nobody is known, that is said, with who would know. Pure.
"""

from collections.abc import Sequence

from meldeweg.gateway.api.shapes import Call
from meldeweg.kernel.agreement import AgreementStatus, Standing
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.policy import NotCovered, Phone, Rule, phone, precedence
from meldeweg.kernel.trust.objects import AgencyKind

_ELSEWHERE = (
    "Dieser Ort gehört nicht zur Vereinbarung; die Nummer der zuständigen Stelle ist hier nicht "
    "hinterlegt. Die Stadt- oder Kreisverwaltung des Ortes nennt sie"
)
_STRANGER = "Eine Nummer dieser Stelle ist hier nicht hinterlegt"
_EMERGENCY = Call(office="Polizei (Notruf)", phone="110")
_OFFICE_THERE = Call(office="Jugendamt am Ort")
_UNKNOWN = Call(office="die genannte Stelle")


def agency(held: Sequence[Standing], wanted: AgencyId) -> Call | None:
    """Return whom to phone at an agency: the first contact of the agreement that counts most.

    What nobody may have signed yet names nobody.
    """
    signed = (one for one in held if one.status is not AgreementStatus.DRAFT)
    for standing in sorted(signed, key=precedence):
        if contacts := phone(standing.document, wanted):
            return _shown(contacts[0])
    return None


def instead(refusal: NotCovered, sender: AgencyKind | None) -> Call | None:
    """Return whom to phone instead of sending; None where the sender itself is responsible.

    `sender`: what kind of agency asks, None before it is enrolled.
    """
    if refusal.call:
        return _shown(refusal.call[0])
    if refusal.rule is Rule.SAME_AGENCY:
        return None
    if refusal.rule is Rule.OUTSIDE:
        return elsewhere(sender)
    return _nobody_known(_UNKNOWN, _STRANGER, sender)


def elsewhere(sender: AgencyKind | None) -> Call:
    """Return whom to phone about a place that no agreement of ours knows; `sender` as above."""
    return _nobody_known(_OFFICE_THERE, _ELSEWHERE, sender)


def _nobody_known(where: Call, note: str, sender: AgencyKind | None) -> Call:
    if sender is AgencyKind.YOUTH_OFFICE:
        return _EMERGENCY.model_copy(update={"note": f"Bei Gefahr. {note}."})
    return where.model_copy(update={"note": f"{note}."})


def _shown(contact: Phone) -> Call:
    return Call(
        agency=contact.agency,
        office=contact.name,
        phone=contact.phone,
        note=f"{contact.role}, {contact.hours}",
    )
