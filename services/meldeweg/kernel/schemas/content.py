"""The root of every message type, and what all of them may say: § 65 SGB VIII, and a call."""

from typing import Annotated

from pydantic import Field

from meldeweg.kernel.ids import Ags
from meldeweg.kernel.schemas.element import Element, german
from meldeweg.kernel.schemas.values import Line, Moment
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground


class Handover(Element):
    model_config = german(
        "Telefonische Übergabe",
        "Der Inhalt wurde bereits mündlich mitgeteilt. Die Frist zur schriftlichen Bestätigung "
        "richtet sich dann nach der Klausel der Vereinbarung.",
    )

    to: Annotated[Line, Field(title="An wen", description="Name oder Funktion der Person.")]
    at: Annotated[Moment, Field(title="Wann", description="Zeitpunkt des Gesprächs.")]


class Content(Element):
    """The root of a message type."""

    entrusted: Annotated[
        Entrusted | None,
        Field(
            title="Anvertraute Daten (§ 65 SGB VIII)",
            description="Ob die Nachricht anvertraute Sozialdaten enthält und aus welchem Grund "
            "sie weitergegeben werden dürfen. Jugendämter geben dies immer an.",
        ),
    ] = None
    handover: Annotated[
        Handover | None,
        Field(
            title="Telefonische Übergabe",
            description="Nur wenn der Inhalt schon am Telefon mitgeteilt wurde.",
        ),
    ] = None

    def named_grounds(self) -> tuple[Ground, ...]:
        """Return what the message is about, for the agreement's clauses."""
        return ()

    def named_places(self) -> tuple[Ags, ...]:
        """Return the municipalities where it happened and where the children live, as far as said.

        For a look whether the office that is addressed by name is one of theirs.
        """
        return ()

    def data_categories(self) -> tuple[DataCategory, ...]:
        """Return what kinds of data the message holds, sorted, for the record."""
        found: set[DataCategory] = set()
        self.collect(found)
        if Ground.SEXUAL_VIOLENCE in self.named_grounds():
            found.add(DataCategory.SEXUAL_VIOLENCE)
        if self.entrusted not in (None, Entrusted.NONE):
            found.add(DataCategory.ENTRUSTED)
        return tuple(sorted(found))
