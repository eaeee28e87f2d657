"""`inquiry` and `reply`: one asks, one pushes an answer; nobody retrieves (§ 79 SGB X).

Each answer says which category of data it gives, so that the clause can say which may be given to
whom: how a case goes is never for the police (§ 35 SGB I, § 68 SGB X).
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.element import Element, german
from meldeweg.kernel.schemas.incident import Assessments, CallbackNote
from meldeweg.kernel.schemas.people import Adult, Child
from meldeweg.kernel.schemas.values import Text, unique
from meldeweg.kernel.schemas.vocabulary import (
    DataCategory,
    Ground,
    Outcome,
    Reliability,
    Source,
)

Subject = Annotated[
    DataCategory, Field(title="Worüber", description="Welche Art von Angaben gemeint ist.")
]


class Question(Element):
    model_config = german("Frage", "Eine Frage zu einer Art von Angaben.")

    subject: Subject
    question: Annotated[Text, Field(title="Frage", description="In eigenen Worten.")]


class Inquiry(Content):
    """Asks a partner; the answer is a message of its own, under a clause of its own."""

    model_config = german(
        "Anfrage",
        "Wozu welche Angaben gebraucht werden. Die Antwort ist eine eigene Nachricht.",
        examples=[examples.INQUIRY],
    )

    questions: Annotated[
        tuple[Question, ...],
        Field(min_length=1, max_length=20, title="Fragen", description="Mindestens eine."),
    ]
    needed_for: Annotated[
        Text, Field(title="Wofür", description="Warum die Angaben erforderlich sind.")
    ]
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
    children: Annotated[
        tuple[Child, ...],
        Field(max_length=20, title="Kinder", description="Um wen es geht, so sparsam wie möglich."),
    ] = ()
    adults: Annotated[
        tuple[Adult, ...],
        Field(max_length=20, title="Erwachsene", description="Um wen es geht."),
    ] = ()
    callback: CallbackNote = None

    def named_grounds(self) -> tuple[Ground, ...]:
        return self.grounds


class Answer(Element):
    model_config = german("Angabe", "Eine Auskunft; Tatsache, mit Herkunft und Verlässlichkeit.")

    subject: Subject
    what: Annotated[Text, Field(title="Angabe", description="In eigenen Worten.")]
    source: Annotated[Source, Field(title="Herkunft", description="Von wem die Angabe stammt.")]
    reliability: Annotated[
        Reliability, Field(title="Verlässlichkeit", description="Wie gesichert sie ist.")
    ]

    def collect(self, found: set[DataCategory]) -> None:
        found.add(self.subject)


class Reply(Content):
    """Answers an inquiry (`in_reply_to` of the message names it)."""

    model_config = german(
        "Antwort",
        "Antwort auf eine Anfrage. „Übermittlung nicht zulässig“ braucht keine Begründung.",
        examples=[examples.REPLY],
    )

    outcome: Annotated[Outcome, Field(title="Ergebnis", description="Wie weit geantwortet wird.")]
    answers: Annotated[
        tuple[Answer, ...],
        Field(max_length=50, title="Angaben", description="Tatsachen, einzeln."),
    ] = ()
    assessments: Assessments = ()
    callback: CallbackNote = None
