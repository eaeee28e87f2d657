"""The refusal that names its rule and whom to phone: nobody in an agency is left with a code.

The rules' codes are stable and part of the API's problem `not-covered`; the German sentence is what
the person at the desk reads. None of it comes from a message.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from meldeweg.kernel.agreement.document import Agreement
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas.labelled import Labelled


class Rule(Labelled):
    """Which rule failed."""

    NO_AGREEMENT = "no-agreement", "Es gibt keine Vereinbarung zwischen beiden Stellen."
    SENDER_NOT_PARTY = "sender-not-party", "Der Absender ist nicht Partei der Vereinbarung."
    RECIPIENT_NOT_PARTY = (
        "recipient-not-party",
        "Der Empfänger ist nicht Partei der Vereinbarung.",
    )
    SAME_AGENCY = "same-agency", "Zuständig ist der Absender selbst."
    UNSIGNED = "agreement-unsigned", "Die Vereinbarung ist nicht von allen Parteien unterschrieben."
    NOT_BEGUN = "agreement-not-begun", "Die Laufzeit der Vereinbarung hat noch nicht begonnen."
    RUN_OFF = (
        "agreement-run-off",
        "Die Laufzeit der Vereinbarung ist abgelaufen; Neues ist nicht mehr gedeckt.",
    )
    ENDED = "agreement-ended", "Laufzeit und Auslauf der Vereinbarung sind vorbei."
    TYPE = "type-not-covered", "Keine Klausel deckt diese Art von Nachricht in dieser Richtung."
    GROUND = "ground-not-covered", "Keine Klausel deckt mindestens einen der Gründe."
    DATA_CATEGORY = (
        "data-category-not-covered",
        "Die Klausel erlaubt mindestens eine Art der enthaltenen Angaben nicht.",
    )
    REFERENCE = (
        "reference-not-fitting",
        "Die Nachricht bezieht sich auf keine, auf die so geantwortet werden darf.",
    )
    LABELS = "labels-missing", "Die Kennzeichnung nach § 22b PolG NRW fehlt."
    UNDECLARED = (
        "section-65-undeclared",
        "Es fehlt die Erklärung, ob anvertraute Daten enthalten sind (§ 65 SGB VIII).",
    )
    ENTRUSTED = (
        "section-65-refused",
        "Anvertraute Daten dürfen aus diesem Grund nicht an diese Stelle (§ 65 SGB VIII).",
    )
    OUTSIDE = "outside-district", "Der Ort liegt außerhalb des Kreises der Vereinbarung."
    NOT_RESPONSIBLE = "not-responsible", "Für diesen Ort ist eine andere Stelle zuständig."
    AMBIGUOUS = (
        "recipient-ambiguous",
        "Mehrere Stellen kommen in Betracht; bitte die Stelle nennen.",
    )


ADMINISTRATIVE = frozenset({Rule.RUN_OFF, Rule.LABELS})
"""What a named person may override in an `immediate` message; the rest is law or identity."""


@dataclass(frozen=True, slots=True)
class Phone:
    """Whom to phone, from the agreement."""

    agency: AgencyId
    name: str
    role: str
    phone: str
    hours: str


class NotCovered(Refused):
    """No clause covers it. `rule`: which rule failed; `call`: whom to phone instead, best first.

    `call` holds parties of the agreement, never the sender itself; it is empty where the agreement
    knows nobody to phone (a place outside the district, a stranger).

    `overridable`: a named person could send it with a reason, if it is `immediate`.
    `responsible`: who is responsible, where the rule is `not-responsible`.
    """

    def __init__(
        self,
        rule: Rule,
        detail: str = "",
        *,
        call: tuple[Phone, ...] = (),
        responsible: AgencyId | None = None,
    ) -> None:
        super().__init__("not-covered", f"{rule}{': ' if detail else ''}{detail}")
        self.rule, self.call, self.responsible = rule, call, responsible
        self.overridable = rule in ADMINISTRATIVE


class NotCoveredYet(Early, NotCovered):
    """A signature may still be on its way to my view: a consumer parks such a record (I6)."""


def phone_others(
    document: Agreement, sender: AgencyId, agencies: Iterable[AgencyId | None]
) -> tuple[Phone, ...]:
    """Return the contacts of `agencies` in their order, without the sender's own."""
    others = dict.fromkeys(each for each in agencies if each != sender)
    return tuple(contact for each in others for contact in phone(document, each))


def phone(document: Agreement, agency: AgencyId | None) -> tuple[Phone, ...]:
    """Return the contacts of a party, in the order of the agreement; empty for a stranger."""
    party = document.party(agency) if agency else None
    if party is None:
        return ()
    return tuple(
        Phone(party.agency, party.name, contact.role, contact.phone, contact.hours)
        for contact in party.call
    )
