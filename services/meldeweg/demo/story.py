"""The main story: domestic violence in Grefrath, reported, delivered, taken; and the way back.

Guarantees: each step checks what it tells; `StepFailedError` ends the demonstration.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from meldeweg.cli.showing import STATES, local, word, zone
from meldeweg.client import Accepted, Gateway
from meldeweg.client.types import Step
from meldeweg.demo.telling import Teller, must
from meldeweg.kernel.agreement import BERLIN
from meldeweg.kernel.schemas import MessageType, json_schema
from meldeweg.local.description import Description

POLICE_PERSON = "PHK Beispiel (erfunden)"
OFFICE_PERSON = "Frau Probe (erfunden)"
LABELS = {
    "collected_by": "Polizei (Vorführung)",
    "means": "Einsatz vor Ort",
    "category_of_person": "Betroffene",
    "offence": "Häusliche Gewalt",
}
# Words of both payloads, of the reasons and of who acted, looked for in every file of the stack.
MARKS = (
    "Zerbrochenes Geschirr",
    "Musterstraße 4",
    "BEISPIEL-2026-0815",
    "Atemalkohol",
    "Hämatome an beiden",
    "030 23125 042",
    POLICE_PERSON,
    OFFICE_PERSON,
    LABELS["collected_by"],
    LABELS["means"],
)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: the police, a municipality, the office responsible for it, and one that is not."""

    police: str
    municipality: str
    name: str
    office: str
    other: str
    outside: str


CASTS: Mapping[str, Cast] = {
    "kreis-viersen": Cast(
        police="polizei-viersen",
        municipality="05166008",
        name="Grefrath",
        office="jugendamt-kreis-viersen",
        other="jugendamt-kempen",
        outside="05362012",
    ),
    "rhein-erft-kreis": Cast(
        police="polizei-rhein-erft-kreis",
        municipality="05362012",
        name="Brühl",
        office="jugendamt-bruehl",
        other="jugendamt-bergheim",
        outside="05166008",
    ),
}


class Story:
    """Plays on a running stack."""

    def __init__(self, stack: Description, cast: Cast, tell: Teller, closing: ExitStack) -> None:
        self._cast, self._tell = cast, tell
        self._gateways: dict[str, Gateway] = {
            agency: closing.enter_context(Gateway(entry.url, entry.token))
            for agency, entry in stack.agencies.items()
        }
        self.police = self._gateways[cast.police]
        self.office = self._gateways[cast.office]

    def report(self) -> Accepted:
        """The police report; the office that is responsible gets it, and no other."""
        cast, tell = self._cast, self._tell
        content = example(MessageType.NOTIFICATION)
        to = {"place": cast.municipality}
        with tell.step(f"Wer ist für {cast.name} zuständig, und was gilt? (Probelauf)") as said:
            preview = self.police.check(
                "notification", to, content, acting_person=POLICE_PERSON, labels=LABELS
            )
            must(preview.recipient == cast.office, f"responsible: {preview.recipient}")
            said.append(f"{preview.recipient}, Klausel „{preview.clause}“")
            until = f"{local(preview.ack_by)} Uhr ({zone(preview.ack_by)})"
            said.append(f"{preview.legal_basis}; zu bestätigen bis {until}")
        with tell.step(f"{cast.police} meldet häusliche Gewalt") as said:
            accepted = self.police.send(
                "notification", to, content, acting_person=POLICE_PERSON, labels=LABELS
            )
            said.append(f"Kennzeichen {accepted.kennzeichen}, {accepted.id}")
        with tell.step(
            "Versiegelt, signiert, zugestellt: das Gateway des Jugendamts quittiert"
        ) as said:
            sent = self._until(accepted.id, "delivered")
            took = (sent.timeline[-1].at - accepted.created).total_seconds() * 1000
            said.append(f"Prüfsumme / digest {sent.digest}")
            said.append(f"von der Annahme bis zur signierten Quittung {took:.0f} ms")
        with tell.step("Kein anderes Amt hat etwas davon") as said:
            for agency, gateway in self._gateways.items():
                ids = _ids(gateway)
                must((accepted.id in ids) == (agency == cast.office), f"inbox of {agency}")
            said.append(f"{len(self._gateways)} Eingänge angesehen, einer hat sie")
        return accepted

    def take(self, accepted: Accepted) -> None:
        """A named person opens and acknowledges it; the police see that."""
        with self._tell.step(f"{OFFICE_PERSON} öffnet die Meldung") as said:
            opened = self.office.open(accepted.id, acting_person=OFFICE_PERSON)
            must(MARKS[0] in str(opened.content), "the content did not arrive")
            facts, views = opened.content["facts"], opened.content["assessments"]
            said.append(f"{len(facts)} Tatsachen, {len(views)} Einschätzung; nur im Speicher offen")
        with self._tell.step("… und bestätigt; die Polizei sieht es") as said:
            self.office.acknowledge(accepted.id, by=OFFICE_PERSON)
            sent = self._until(accepted.id, "acknowledged")
            said.append(f"{' → '.join(map(_shown, sent.timeline))} ({zone(accepted.created)})")

    def the_other_way(self) -> None:
        """The youth office needs the police at once (§ 8a(3) SGB VIII)."""
        content = example(MessageType.IMMEDIATE_ACTION)
        with self._tell.step("Andersherum: das Jugendamt braucht die Polizei sofort") as said:
            accepted = self.office.send(
                "request.immediate-action",
                {"agency": self._cast.police},
                content,
                acting_person=OFFICE_PERSON,
            )
            must(accepted.urgency == "immediate", accepted.urgency)
            self.police.open(self._arrived(accepted.id), acting_person=POLICE_PERSON)
            self.police.acknowledge(accepted.id, by=POLICE_PERSON)
            sent = self._until(accepted.id, "acknowledged", self.office)
            took = (sent.timeline[-1].at - accepted.created).total_seconds() * 1000
            said.append(f"Kennzeichen {accepted.kennzeichen}, bestätigt nach {took:.0f} ms")

    def _arrived(self, message: str) -> str:
        end = time.monotonic() + 30
        while message not in _ids(self.police):
            must(time.monotonic() < end, "not delivered within 30 s")
            time.sleep(0.05)
        return message

    def _until(self, message: str, state: str, gateway: Gateway | None = None) -> Any:
        return (gateway or self.police).wait(message, until=(state,), seconds=30, every=0.02)


def _ids(gateway: Gateway) -> set[str]:
    return {item.id for page in gateway.inbox_pages() for item in page.items}


def _shown(step: Step) -> str:
    return f"{word(STATES, step.kind)} {step.at.astimezone(BERLIN):%H:%M:%S}"


def example(kind: MessageType) -> dict[str, Any]:
    """Return the invented example that the message type's schema carries."""
    found: dict[str, Any] = json_schema(kind, 1)["examples"][0]
    return found
