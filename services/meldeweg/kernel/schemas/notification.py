"""`notification`: tells a partner, unasked, of a child that may be in danger.

Required is what a patrol knows at 23:40: the ground, what was seen, where and when, and the
children as far as known (an empty object is a child of whom nothing is known yet).
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from meldeweg.kernel.ids import Ags
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.element import Holds, german
from meldeweg.kernel.schemas.incident import (
    Assessments,
    CallbackNote,
    CustodiansInformed,
    Facts,
    Incident,
    InformedAlready,
    Measures,
    SafetyNote,
)
from meldeweg.kernel.schemas.people import Adult, Child, municipalities
from meldeweg.kernel.schemas.values import unique
from meldeweg.kernel.schemas.vocabulary import DataCategory, Ground, Known

Children = Annotated[
    tuple[Child, ...],
    Field(
        min_length=1,
        max_length=20,
        title="Kinder",
        description="Jedes Kind, um das es geht; ein leeres Objekt, wenn nichts bekannt ist.",
    ),
]
MoreChildren = Annotated[
    Known | None,
    Field(title="Weitere Kinder", description="Ob es weitere Kinder im Haushalt gibt."),
    Holds(DataCategory.FAMILY),
]
Adults = Annotated[
    tuple[Adult, ...],
    Field(max_length=20, title="Erwachsene", description="Sorgeberechtigte und Beteiligte."),
]


class Notification(Content):
    """Police → youth office of what they saw; also youth office → office or police, where a
    clause says so."""

    model_config = german(
        "Mitteilung über eine mögliche Kindeswohlgefährdung",
        "Ein Anlass, ein oder mehrere Gründe, ein oder mehrere Kinder. Pflicht ist nur, was auch "
        "nachts am Einsatzort bekannt ist.",
        examples=[examples.NOTIFICATION, examples.NOTIFICATION_AT_NIGHT],
    )

    grounds: Annotated[
        tuple[Ground, ...],
        Field(
            min_length=1,
            max_length=5,
            title="Gründe",
            description="Einer oder mehrere; danach richten sich Klausel und Frist.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(unique),
    ]
    incident: Annotated[
        Incident, Field(title="Ereignis", description="Wann und wo."), Holds(DataCategory.INCIDENT)
    ]
    facts: Facts
    children: Children
    more_children: MoreChildren = None
    adults: Adults = ()
    assessments: Assessments = ()
    measures: Measures = ()
    safety: SafetyNote = None
    custodians_informed: Annotated[
        CustodiansInformed | None,
        Field(
            title="Sorgeberechtigte unterrichtet",
            description="Ob die Sorgeberechtigten von dieser Mitteilung wissen.",
        ),
    ] = None
    informed: InformedAlready = ()
    callback: CallbackNote = None

    def named_grounds(self) -> tuple[Ground, ...]:
        return self.grounds

    def named_places(self) -> tuple[Ags, ...]:
        return municipalities(self.incident.place, self.children)
