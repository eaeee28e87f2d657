"""Why a message was sent: sealed for the two agencies' data protection officers (§ 76(2) BDSG).

Guarantees: from this record and the signed context alone, the recipient and an auditor can judge
again whether the agreement covers the message (`kernel.policy`). Its exact bytes are committed to
by `record_sha256` of the context; 32 random bytes in it keep that digest from being guessed.
"""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from meldeweg.kernel.ids import Ags, MessageId
from meldeweg.kernel.model import Instant, Version1
from meldeweg.kernel.schemas.element import Element, german
from meldeweg.kernel.schemas.values import TEXT_PATTERN, Line, unique
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency

ClauseId = Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
ThreadId = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
Reason = Annotated[str, Field(max_length=1000, pattern=TEXT_PATTERN)]
ActorRef = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def _canonical(nonce: str) -> str:
    """Refuse bits behind the 32 bytes, which the released schema's pattern lets pass."""
    if nonce[-1] not in "AEIMQUYcgkosw048":
        raise PydanticCustomError("nonce_malformed", "not the base64url of 32 bytes")
    return nonce


Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$"), AfterValidator(_canonical)]


class Labels(Element):
    model_config = german(
        "Kennzeichnung (§ 22b PolG NRW)",
        "Woher polizeiliche Daten stammen. Der Empfänger behält die Kennzeichnung bei.",
    )

    collected_by: Annotated[
        Line, Field(title="Erhebende Stelle", description="Wer die Daten erhoben hat.")
    ]
    means: Annotated[
        Line,
        Field(title="Mittel der Erhebung", description="Auch: ob offen oder verdeckt erhoben."),
    ]
    category_of_person: Annotated[
        Line,
        Field(title="Kategorie der Person", description="Zum Beispiel: Geschädigte, Zeuge."),
    ]
    offence: Annotated[
        Line,
        Field(title="Rechtsgut oder Straftat", description="Was geschützt oder verfolgt wird."),
    ]


class Places(Element):
    model_config = german(
        "Orte der Zuständigkeit",
        "Wo das Kind ist (§ 87 SGB VIII) und wo die Eltern wohnen (§ 86 SGB VIII).",
    )

    place: Annotated[
        Ags | None, Field(title="Aufenthalt des Kindes", description="Gemeindeschlüssel.")
    ] = None
    residence: Annotated[
        Ags | None, Field(title="Wohnort der Eltern", description="Gemeindeschlüssel.")
    ] = None


class RecordBody(Element):
    """The `record` part of a message, once for the recipient and once for oversight."""

    model_config = german(
        "Aufzeichnung der Übermittlung",
        "Warum, auf welcher Grundlage und durch wen übermittelt wurde. Ohne Inhalt.",
    )

    v: Annotated[Version1, Field(title="Fassung", description="Dieser Aufzeichnung.")]
    type: Annotated[MessageType, Field(title="Art", description="Der Nachricht.")]
    version: Annotated[
        int, Field(ge=1, le=999, title="Fassung", description="Des Schemas der Nachricht.")
    ]
    grounds: Annotated[
        tuple[Ground, ...],
        Field(
            max_length=5,
            title="Gründe",
            description="Worum es geht.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(unique),
    ] = ()
    clause: Annotated[ClauseId, Field(title="Klausel", description="Der Vereinbarung.")]
    legal_basis: Annotated[
        tuple[Line, ...],
        Field(min_length=1, max_length=50, title="Rechtsgrundlagen", description="Fundstellen."),
    ]
    purpose: Annotated[Line, Field(title="Zweck", description="Zweckbindung.")]
    urgency: Annotated[
        Urgency,
        Field(
            title="Dringlichkeit der Sache",
            description="Eine Kopie an die zweite Stelle kann weniger dringlich sein.",
        ),
    ]
    actor_ref: Annotated[
        ActorRef,
        Field(
            title="Handelnde Person",
            description="Zufällig je Nachricht; der Absender weiß, wer es war.",
        ),
    ]
    addressee: Annotated[
        Line | None, Field(title="Zu Händen", description="Funktion oder Kontakt beim Empfänger.")
    ] = None
    data_categories: Annotated[
        tuple[DataCategory, ...],
        Field(
            max_length=20,
            title="Datenkategorien",
            description="Welche Arten von Angaben übermittelt wurden.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(unique),
    ] = ()
    labels: Annotated[
        Labels | None, Field(title="Kennzeichnung", description="§ 22b PolG NRW.")
    ] = None
    entrusted: Annotated[
        Entrusted | None, Field(title="Anvertraute Daten", description="§ 65 SGB VIII.")
    ] = None
    places: Annotated[
        Places | None, Field(title="Orte", description="Woraus sich die Zuständigkeit ergab.")
    ] = None
    handover_at: Annotated[
        Instant | None, Field(title="Telefonisch übergeben", description="Zeitpunkt des Gesprächs.")
    ] = None
    thread: Annotated[
        ThreadId | None, Field(title="Vorgang", description="Zeichen, das Nachrichten verbindet.")
    ] = None
    in_reply_to: Annotated[
        MessageId | None,
        Field(title="Bezug", description="Die Nachricht, auf die sie sich bezieht."),
    ] = None
    override: Annotated[
        Reason | None,
        Field(
            title="Trotz Hindernis gesendet",
            description="Begründung; wird nachträglich geprüft.",
        ),
    ] = None
    nonce: Annotated[Nonce, Field(title="Zufallswert", description="32 Bytes, base64url.")]
