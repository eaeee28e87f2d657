"""The children a message is about and the adults around them; almost everything is optional."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from meldeweg.kernel.ids import Ags
from meldeweg.kernel.schemas.element import Element, Holds, german
from meldeweg.kernel.schemas.values import Day, Line, Moment, Phone, Postcode, Text
from meldeweg.kernel.schemas.vocabulary import (
    DataCategory,
    InjuryState,
    Known,
    Part,
    Relation,
    Sex,
    Stay,
    Substance,
)

_IDENTITY = Holds(DataCategory.IDENTITY)
_HEALTH = Holds(DataCategory.HEALTH)
_FAMILY = Holds(DataCategory.FAMILY)


class Place(Element):
    model_config = german(
        "Ort",
        "In Worten, so genau wie nötig, um hinzufinden; die einzelnen Angaben sind freiwillig.",
    )

    text: Annotated[
        Line, Field(title="Ort in Worten", description="Zum Beispiel Straße, Hausnummer, Ort.")
    ]
    municipality: Annotated[
        Ags | None,
        Field(title="Gemeindeschlüssel", description="Amtlicher Schlüssel, acht Ziffern."),
    ] = None
    postcode: Annotated[
        Postcode | None, Field(title="Postleitzahl", description="Fünf Ziffern.")
    ] = None
    street: Annotated[
        Line | None, Field(title="Straße und Hausnummer", description="Wie in der Anschrift.")
    ] = None
    access: Annotated[
        Line | None,
        Field(title="Zugang", description="Stockwerk, Klingel, Hinterhaus, Schlüssel, Hund."),
    ] = None


class Whereabouts(Element):
    model_config = german(
        "Aufenthalt jetzt", "Wo sich das Kind beim Schreiben befindet, und bei wem."
    )

    stay: Annotated[
        Stay, Field(title="Aufenthalt", description="Auch „unbekannt“ ist eine Auskunft.")
    ]
    place: Annotated[Place | None, Field(title="Ort", description="Falls bekannt.")] = None
    with_whom: Annotated[
        Line | None, Field(title="Bei wem", description="Name, Funktion oder Einrichtung.")
    ] = None
    phone: Annotated[
        Phone | None,
        Field(title="Telefon dort", description="Falls bekannt."),
        Holds(DataCategory.CONTACT),
    ] = None
    until: Annotated[
        Moment | None,
        Field(title="Voraussichtlich bis", description="Wann sich das ändert, falls absehbar."),
    ] = None


class Injuries(Element):
    model_config = german(
        "Verletzungen", "Was am Körper des Kindes zu sehen war, und ob jemand nachgesehen hat."
    )

    state: Annotated[
        InjuryState, Field(title="Befund", description="„nicht untersucht“ ist eine Auskunft.")
    ]
    description: Annotated[
        Text | None, Field(title="Beschreibung", description="Art, Ort, Alter der Verletzungen.")
    ] = None
    treated: Annotated[
        Line | None, Field(title="Versorgt durch", description="Rettungsdienst, Klinik, Praxis.")
    ] = None


class SubstanceUse(Element):
    model_config = german(
        "Alkohol und Drogen", "Was wahrgenommen wurde; anhaltend oder einmalig, falls bekannt."
    )

    substances: Annotated[
        tuple[Substance, ...],
        Field(min_length=1, max_length=7, title="Mittel", description="Eines oder mehrere."),
    ]
    persistent: Annotated[
        Known | None,
        Field(title="Anhaltend", description="Ob der Konsum über längere Zeit besteht."),
    ] = None
    signs: Annotated[
        Text | None,
        Field(title="Anzeichen", description="Was zu sehen war; gemessene Werte mit Uhrzeit."),
    ] = None


class Person(Element):
    """What children and adults have in common."""

    family_name: Annotated[
        Line | None, Field(title="Familienname", description="Falls bekannt."), _IDENTITY
    ] = None
    given_names: Annotated[
        Line | None, Field(title="Vornamen", description="Falls bekannt."), _IDENTITY
    ] = None
    former_name: Annotated[
        Line | None, Field(title="Geburtsname", description="Oder früherer Name."), _IDENTITY
    ] = None
    date_of_birth: Annotated[
        Day | None, Field(title="Geburtsdatum", description="JJJJ-MM-TT."), _IDENTITY
    ] = None
    sex: Annotated[Sex | None, Field(title="Geschlecht", description="Falls bekannt.")] = None
    address: Annotated[
        Place | None, Field(title="Anschrift", description="Wo die Person wohnt."), _IDENTITY
    ] = None
    phone: Annotated[
        Phone | None,
        Field(title="Telefon", description="Falls bekannt."),
        Holds(DataCategory.CONTACT),
    ] = None
    language: Annotated[
        Line | None, Field(title="Sprache", description="Falls nicht Deutsch: welche.")
    ] = None
    interpreter_needed: Annotated[
        Known | None,
        Field(title="Dolmetschen nötig", description="Auch Gebärdensprache."),
    ] = None
    condition: Annotated[
        Text | None,
        Field(
            title="Zustand",
            description="Was zu sehen war: Verhalten, Pflege, Stimmung. Keine Wertung.",
        ),
        _HEALTH,
    ] = None
    substance_use: Annotated[
        SubstanceUse | None,
        Field(title="Alkohol und Drogen", description="Falls wahrgenommen."),
        Holds(DataCategory.SUBSTANCE_USE),
    ] = None
    note: Annotated[
        Line | None,
        Field(title="Hinweis", description="Woran die Person zu erkennen ist, falls namenlos."),
    ] = None


class Child(Person):
    model_config = german(
        "Kind", "Ein Kind oder Jugendlicher. Name unbekannt? Dann genügt, was bekannt ist."
    )

    age_estimated: Annotated[
        int | None,
        Field(ge=0, le=20, title="Alter geschätzt", description="In Jahren, ohne Geburtsdatum."),
        _IDENTITY,
    ] = None
    present: Annotated[
        Known | None,
        Field(title="Anwesend", description="Ob das Kind beim Ereignis dabei war."),
        Holds(DataCategory.INCIDENT),
    ] = None
    whereabouts: Annotated[
        Whereabouts | None,
        Field(title="Aufenthalt jetzt", description="Wo das Kind jetzt ist, und bei wem."),
        Holds(DataCategory.WHEREABOUTS),
    ] = None
    injuries: Annotated[
        Injuries | None, Field(title="Verletzungen", description="Falls nachgesehen."), _HEALTH
    ] = None
    medical_needs: Annotated[
        Text | None,
        Field(
            title="Gesundheitlicher Bedarf",
            description="Behinderung, Krankheit, Medikamente, die weitergegeben werden müssen.",
        ),
        _HEALTH,
    ] = None
    lives_with: Annotated[
        Line | None, Field(title="Lebt bei", description="Falls bekannt."), _FAMILY
    ] = None
    school_or_daycare: Annotated[
        Line | None,
        Field(title="Schule oder Kita", description="Falls bekannt."),
        Holds(DataCategory.WHEREABOUTS),
    ] = None


def municipalities(where: Place, children: Iterable[Child]) -> tuple[Ags, ...]:
    """Return those of a place and of where the children live, as far as they are said."""
    places = (where, *(child.address for child in children))
    return tuple(place.municipality for place in places if place and place.municipality)


class Adult(Person):
    model_config = german(
        "Erwachsene Person", "Wer zum Kind gehört, beteiligt war oder etwas gesehen hat."
    )

    relation: Annotated[
        Relation | None,
        Field(title="Beziehung zum Kind", description="Zu mindestens einem der Kinder."),
        _FAMILY,
    ] = None
    part: Annotated[
        Part | None,
        Field(title="Rolle", description="Beim Ereignis, wie es sich derzeit darstellt."),
        Holds(DataCategory.INCIDENT),
    ] = None
    custody: Annotated[
        Known | None,
        Field(title="Sorgeberechtigt", description="Für mindestens eines der Kinder."),
        _FAMILY,
    ] = None
    in_household: Annotated[
        Known | None,
        Field(title="Im Haushalt des Kindes", description="Ob die Person dort wohnt."),
        _FAMILY,
    ] = None
    whereabouts_note: Annotated[
        Line | None,
        Field(title="Aufenthalt jetzt", description="Zum Beispiel: im Gewahrsam bis 10 Uhr."),
        Holds(DataCategory.WHEREABOUTS),
    ] = None
    offence: Annotated[
        Line | None,
        Field(title="Tatvorwurf", description="Nur bei Verdacht gegen diese Person."),
        Holds(DataCategory.OFFENCE),
    ] = None
    confidential: Annotated[
        Known | None,
        Field(
            title="Vertraulich",
            description="Ob diese Person der Familie nicht genannt werden soll.",
        ),
    ] = None
