"""`correction` and `retraction`: what was wrong, or must not be used any more.

A duty of its own that outlives the agreement's term (§ 75(3) BDSG, Art. 19 GDPR). Which message is
meant stands in the message's `in_reply_to`; a retraction repeats nothing of it. Since version 2 of
a correction each change names its category of data: what may be said in it follows from that.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.element import Element, Holds, german
from meldeweg.kernel.schemas.incident import CallbackNote
from meldeweg.kernel.schemas.values import Line, Text
from meldeweg.kernel.schemas.vocabulary import (
    CorrectionKind,
    DataCategory,
    Reliability,
    RetractionReason,
    Source,
)


class Change(Element):
    model_config = german("Änderung", "Eine Angabe der früheren Nachricht und was nun gilt.")

    field: Annotated[
        str | None,
        Field(
            max_length=200,
            pattern=r"^(/[A-Za-z0-9_]{1,40}){1,12}$",
            title="Stelle",
            description="JSON Pointer (RFC 6901) in den Inhalt der früheren Nachricht.",
        ),
    ] = None
    about: Annotated[
        Line, Field(title="Worum es geht", description="Zum Beispiel: Geburtsdatum des Kindes.")
    ]
    now: Annotated[Text, Field(title="Richtig ist", description="Was nun gilt.")]
    source: Annotated[Source, Field(title="Herkunft", description="Von wem die Angabe stammt.")]
    reliability: Annotated[
        Reliability, Field(title="Verlässlichkeit", description="Wie gesichert sie ist.")
    ]


class CategorisedChange(Change):
    category: Annotated[
        DataCategory | None,
        Field(
            title="Art der Angabe",
            description="Wozu die Angabe gehört. Fehlt es, so gilt sie als Feststellung zum "
            "Ereignis; was die frühere Nachricht nicht enthalten durfte, darf auch ihre "
            "Berichtigung nicht enthalten.",
        ),
    ] = None

    def collect(self, found: set[DataCategory]) -> None:
        found.add(self.category or DataCategory.INCIDENT)


class Correction(Content):
    """Version 1, in which whatever is changed counts as `incident`."""

    model_config = german(
        "Berichtigung",
        "Berichtigt oder ergänzt eine frühere Nachricht. Der Empfänger muss den Eingang "
        "bestätigen und seine Unterlagen prüfen.",
        examples=[examples.CORRECTION],
    )

    kind: Annotated[CorrectionKind, Field(title="Art", description="Was geschieht.")]
    changes: Annotated[
        tuple[Change, ...],
        Field(min_length=1, max_length=50, title="Änderungen", description="Mindestens eine."),
        Holds(DataCategory.INCIDENT),
    ]
    tell_others: Annotated[
        bool,
        Field(
            title="Weitere unterrichten",
            description="Ob der Empfänger alle unterrichten muss, denen er die Angabe "
            "weitergegeben hat.",
        ),
    ] = True
    callback: CallbackNote = None


class Correction2(Correction):
    """Corrects an earlier message of the same sender to the same recipient."""

    model_config = german(
        "Berichtigung",
        "Berichtigt oder ergänzt eine frühere Nachricht. Der Empfänger muss den Eingang "
        "bestätigen und seine Unterlagen prüfen.",
        examples=[examples.CORRECTION, examples.COMPLETION],
    )

    changes: Annotated[
        tuple[CategorisedChange, ...],
        Field(min_length=1, max_length=50, title="Änderungen", description="Mindestens eine."),
    ]


def without_categories(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what version 1 can say of a correction that version 2 took: all but the categories."""
    changes = [
        {name: value for name, value in change.items() if name != "category"}
        for change in document["changes"]
    ]
    return {**document, "changes": changes}


class Retraction(Content):
    """Takes an earlier message back; the recipient confirms the erasure by a receipt."""

    model_config = german(
        "Rücknahme",
        "Eine frühere Nachricht darf nicht mehr verwendet werden. Sie wird hier nicht wiederholt.",
        examples=[examples.RETRACTION],
    )

    reason: Annotated[RetractionReason, Field(title="Grund", description="Warum.")]
    erase: Annotated[
        bool,
        Field(
            title="Löschen",
            description="Ja: löschen und bestätigen. Nein: nur nicht mehr verwenden "
            "(Einschränkung der Verarbeitung).",
        ),
    ]
    explanation: Annotated[
        Text | None,
        Field(title="Erläuterung", description="Ohne die Angaben selbst zu wiederholen."),
    ] = None
    callback: CallbackNote = None
