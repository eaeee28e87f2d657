"""What happened, what was seen, what was done: fact and assessment are two types (§ 73 BDSG)."""

from typing import Annotated

from pydantic import Field

from meldeweg.kernel.schemas.element import Element, Holds, german
from meldeweg.kernel.schemas.people import Place
from meldeweg.kernel.schemas.values import Line, Moment, Phone, Text
from meldeweg.kernel.schemas.vocabulary import (
    Danger,
    DataCategory,
    Known,
    MeasureKind,
    Reliability,
    Source,
)


class Fact(Element):
    model_config = german(
        "Feststellung", "Eine Tatsache: was gesehen, gehört oder gesagt wurde. Keine Wertung."
    )

    what: Annotated[
        Text, Field(title="Was", description="Was festgestellt wurde, in eigenen Worten.")
    ]
    source: Annotated[Source, Field(title="Herkunft", description="Von wem die Angabe stammt.")]
    reliability: Annotated[
        Reliability, Field(title="Verlässlichkeit", description="Wie gesichert die Angabe ist.")
    ]
    at: Annotated[
        Moment | None,
        Field(title="Wann", description="Nur wenn anders als der Zeitpunkt des Ereignisses."),
    ] = None
    place: Annotated[
        Line | None, Field(title="Wo", description="Nur wenn anders als der Ort des Ereignisses.")
    ] = None


class Assessment(Element):
    model_config = german(
        "Einschätzung", "Eine Bewertung des Absenders; getrennt von den Feststellungen."
    )

    what: Annotated[Text, Field(title="Einschätzung", description="In eigenen Worten.")]
    danger: Annotated[
        Danger | None, Field(title="Gefahr", description="Wie akut, aus Sicht des Absenders.")
    ] = None
    basis: Annotated[
        Text | None, Field(title="Worauf gestützt", description="Auf welche Feststellungen.")
    ] = None


class Incident(Element):
    model_config = german(
        "Ereignis", "Wo und wann; genau der eine Anlass, zu dem diese Nachricht geschrieben wird."
    )

    observed_at: Annotated[
        Moment,
        Field(title="Festgestellt am", description="Wann der Absender es wahrgenommen hat."),
    ]
    place: Annotated[Place, Field(title="Ort", description="Wo es geschah oder auffiel.")]
    began: Annotated[
        Moment | None, Field(title="Beginn", description="Falls anders und bekannt.")
    ] = None
    ended: Annotated[
        Moment | None, Field(title="Ende", description="Falls es vorbei ist und bekannt.")
    ] = None
    ongoing: Annotated[
        Known | None, Field(title="Dauert an", description="Ob es beim Schreiben andauert.")
    ] = None
    earlier: Annotated[
        Known | None,
        Field(title="Frühere Ereignisse", description="Ob dem Absender solche bekannt sind."),
    ] = None
    reference: Annotated[
        Line | None,
        Field(title="Eigenes Zeichen", description="Vorgangsnummer oder Aktenzeichen."),
    ] = None


class Measure(Element):
    model_config = german("Maßnahme", "Was der Absender bereits veranlasst hat.")

    kind: Annotated[MeasureKind, Field(title="Art", description="„keine“ ist eine Auskunft.")]
    at: Annotated[Moment | None, Field(title="Wann", description="Falls bekannt.")] = None
    until: Annotated[
        Moment | None, Field(title="Gilt bis", description="Etwa das Ende des Rückkehrverbots.")
    ] = None
    note: Annotated[Text | None, Field(title="Näheres", description="Gegen wen, durch wen.")] = None


class Safety(Element):
    model_config = german("Gefahren vor Ort", "Was jemand wissen muss, bevor er dort klingelt.")

    weapons: Annotated[
        Known | None, Field(title="Waffen", description="Waffen oder gefährliche Gegenstände.")
    ] = None
    danger_to_staff: Annotated[
        Known | None,
        Field(title="Gefahr für Fachkräfte", description="Drohungen oder Angriffe zu erwarten."),
    ] = None
    dogs: Annotated[Known | None, Field(title="Hunde", description="Gefährliche Tiere.")] = None
    note: Annotated[Text | None, Field(title="Näheres", description="In eigenen Worten.")] = None


class Informed(Element):
    model_config = german("Bereits unterrichtet", "Wer schon Bescheid weiß.")

    who: Annotated[Line, Field(title="Wer", description="Stelle, Funktion oder Name.")]
    at: Annotated[Moment | None, Field(title="Wann", description="Falls bekannt.")] = None
    note: Annotated[Line | None, Field(title="Näheres", description="Wie und worüber.")] = None


class CustodiansInformed(Element):
    model_config = german(
        "Sorgeberechtigte unterrichtet",
        "Ob die Sorgeberechtigten von dieser Nachricht wissen, und wenn nicht, warum.",
    )

    known: Annotated[Known, Field(title="Unterrichtet", description="Ja, nein oder unbekannt.")]
    reason_not: Annotated[
        Line | None,
        Field(title="Grund", description="Etwa: der Schutz des Kindes wäre gefährdet."),
    ] = None


class Callback(Element):
    model_config = german(
        "Rückruf", "Wer beim Absender Fragen beantwortet; eine Funktion ist besser als ein Name."
    )

    who: Annotated[Line, Field(title="Wer", description="Funktion, Dienststelle oder Name.")]
    phone: Annotated[Phone, Field(title="Telefon", description="Unter der jemand abnimmt.")]
    until: Annotated[
        Moment | None, Field(title="Erreichbar bis", description="Etwa das Ende der Schicht.")
    ] = None


Facts = Annotated[
    tuple[Fact, ...],
    Field(
        min_length=1,
        max_length=50,
        title="Feststellungen",
        description="Mindestens eine. Tatsachen; Wertungen gehören in die Einschätzungen.",
    ),
    Holds(DataCategory.INCIDENT),
]
Assessments = Annotated[
    tuple[Assessment, ...],
    Field(max_length=20, title="Einschätzungen", description="Bewertungen des Absenders."),
    Holds(DataCategory.ASSESSMENT),
]
Measures = Annotated[
    tuple[Measure, ...],
    Field(max_length=30, title="Maßnahmen", description="Was bereits veranlasst wurde."),
    Holds(DataCategory.MEASURES),
]
SafetyNote = Annotated[
    Safety | None,
    Field(title="Gefahren vor Ort", description="Vor dem Ausrücken lesen."),
    Holds(DataCategory.SAFETY),
]
InformedAlready = Annotated[
    tuple[Informed, ...],
    Field(max_length=20, title="Bereits unterrichtet", description="Wer schon Bescheid weiß."),
]
CallbackNote = Annotated[
    Callback | None, Field(title="Rückruf", description="Für Fragen zu dieser Nachricht.")
]
