"""`request.immediate-action`: somebody must come now (§ 8a(3) sentence 2, § 42(6) SGB VIII).

Follows a call, or comes instead of one that nobody took. Required is what a patrol needs to set
out: what to do, where, why now, and what was seen.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from meldeweg.kernel.ids import Ags
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.element import Element, Holds, german
from meldeweg.kernel.schemas.incident import (
    Assessments,
    CallbackNote,
    Facts,
    InformedAlready,
    Measures,
    SafetyNote,
)
from meldeweg.kernel.schemas.notification import Adults, Children, MoreChildren
from meldeweg.kernel.schemas.people import Place, municipalities
from meldeweg.kernel.schemas.values import Line, Moment, Phone, Text, unique
from meldeweg.kernel.schemas.vocabulary import Action, DataCategory, Ground, Known


class OnSite(Element):
    model_config = german("Vor Ort", "Wer vom Absender schon dort ist oder wo man sich trifft.")

    who: Annotated[Line, Field(title="Wer", description="Name oder Funktion.")]
    phone: Annotated[
        Phone | None, Field(title="Telefon", description="Das Gerät, das vor Ort ist.")
    ] = None
    meet_at: Annotated[
        Line | None, Field(title="Treffpunkt", description="Falls nicht am Einsatzort.")
    ] = None
    from_when: Annotated[
        Moment | None, Field(title="Ab wann", description="Falls noch unterwegs.")
    ] = None


class ImmediateAction(Content):
    """Youth office → police, or police → youth office, where somebody must act at once."""

    model_config = german(
        "Ersuchen um sofortiges Tätigwerden",
        "Jemand muss jetzt handeln. Immer auch anrufen; diese Nachricht hält fest, was gesagt "
        "wurde.",
        examples=[examples.IMMEDIATE_ACTION],
    )

    actions: Annotated[
        tuple[Action, ...],
        Field(
            min_length=1,
            max_length=9,
            title="Was zu tun ist",
            description="Eines oder mehrere.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(unique),
    ]
    why_now: Annotated[
        Text,
        Field(
            title="Warum sofort",
            description="Einschätzung des Absenders: was ohne sofortiges Handeln zu befürchten "
            "ist.",
        ),
        Holds(DataCategory.ASSESSMENT),
    ]
    where: Annotated[
        Place,
        Field(title="Einsatzort", description="Wohin jemand kommen muss."),
        Holds(DataCategory.WHEREABOUTS),
    ]
    facts: Facts
    children: Children
    grounds: Annotated[
        tuple[Ground, ...],
        Field(
            max_length=5,
            title="Gründe",
            description="Soweit einer zutrifft.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(unique),
    ] = ()
    custodians_cooperate: Annotated[
        Known | None,
        Field(
            title="Sorgeberechtigte wirken mit",
            description="§ 8a Abs. 3 Satz 2 SGB VIII: „nein“, wenn sie nicht mitwirken oder "
            "nicht erreichbar sind.",
        ),
        Holds(DataCategory.FAMILY),
    ] = None
    on_site: Annotated[
        OnSite | None, Field(title="Vor Ort", description="Wer schon dort ist oder hinkommt.")
    ] = None
    more_children: MoreChildren = None
    adults: Adults = ()
    assessments: Assessments = ()
    measures: Measures = ()
    safety: SafetyNote = None
    informed: InformedAlready = ()
    callback: CallbackNote = None

    def named_grounds(self) -> tuple[Ground, ...]:
        return self.grounds

    def named_places(self) -> tuple[Ags, ...]:
        return municipalities(self.where, self.children)
