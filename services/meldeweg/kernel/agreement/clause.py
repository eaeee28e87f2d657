"""One clause of an agreement: who may or must tell whom what, on which basis, and how soon.

Guarantees: a clause that was parsed can be carried out: every urgency it allows has its deadline,
every rule of direction fits its parties. What a clause *says* is the parties' affair.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas.labelled import Labelled
from meldeweg.kernel.schemas.record import ClauseId
from meldeweg.kernel.schemas.values import Line, Unique
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyKind

RANK = {Urgency.IMMEDIATE: 0, Urgency.TODAY: 1, Urgency.ROUTINE: 2}
"""Order of urgencies, the most urgent first."""

ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Obligation(Labelled):
    """Whether the sender must tell, or may."""

    DUTY = "duty", "Pflicht"
    PERMISSION = "permission", "Befugnis"


class Lead(Labelled):
    """Which place decides who is responsible."""

    PLACE = "place", "Aufenthalt des Kindes (§ 87 SGB VIII)"
    RESIDENCE = "residence", "Wohnort der Eltern (§ 86 SGB VIII)"


class Deadline(Frozen):
    """Either minutes, at any hour; or `by` a time of day, `working_days` after the day of sending.

    With 0 working days it is the same day while that is a working day and at least `lead_minutes`
    are left, else the next working day.
    """

    minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)] | None = None
    working_days: Annotated[int, Field(ge=0, le=60)] | None = None
    by: ClockTime | None = None
    lead_minutes: Annotated[int, Field(ge=0, le=12 * 60)] = 0

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        in_minutes = self.minutes is not None
        if in_minutes in (self.working_days is not None, self.by is not None):
            raise Refused("agreement-contradicts", "deadline: either minutes, or days and time")
        return self


class Deadlines(Frozen):
    """By when a named person must have acknowledged, per urgency."""

    immediate: Deadline | None = None
    today: Deadline | None = None
    routine: Deadline | None = None

    def of(self, urgency: Urgency) -> Deadline:
        """Return the deadline; the clause was checked to have those of what it allows."""
        found = self._by_urgency(urgency)
        assert found is not None
        return found

    def has(self, urgency: Urgency) -> bool:
        """Say whether there is one; a linked copy may be less urgent than a clause allows."""
        return self._by_urgency(urgency) is not None

    def _by_urgency(self, urgency: Urgency) -> Deadline | None:
        return {
            Urgency.IMMEDIATE: self.immediate,
            Urgency.TODAY: self.today,
            Urgency.ROUTINE: self.routine,
        }[urgency]


class UrgencyRule(Frozen):
    """What holds when the sender says nothing, and what he cannot go below."""

    default: Urgency
    least: Urgency


class Direction(Frozen):
    """From which kind of agency to which; `any` is either kind."""

    source: Annotated[AgencyKind | Literal["any"], Field(alias="from")]
    target: Annotated[AgencyKind | Literal["any"], Field(alias="to")]

    def covers(self, sender: AgencyKind, recipient: AgencyKind) -> bool:
        return self.source in (sender, "any") and self.target in (recipient, "any")


class EntrustedRule(Frozen):
    """§ 65 SGB VIII: for which reasons entrusted data may go this way, and who must declare."""

    must_declare: bool
    grounds: Annotated[tuple[Entrusted, ...], Field(max_length=4), Unique()] = ()

    @model_validator(mode="after")
    def _none_is_no_ground(self) -> Self:
        if Entrusted.NONE in self.grounds:
            raise Refused("agreement-contradicts", "section 65: none is not a ground")
        return self


class Clause(Frozen):
    """Trigger → duty or permission → legal basis → deadline → recipient."""

    id: ClauseId
    title: Line
    direction: Direction
    types: Annotated[tuple[MessageType, ...], Field(min_length=1), Unique()]
    grounds: Literal["any"] | Annotated[tuple[Ground, ...], Field(min_length=1), Unique()]
    condition: Line | None = None  # what the parties agreed on in words; shown, not executed
    obligation: Obligation
    legal_basis: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10)]
    purpose: Line
    labels_required: bool
    section_65: EntrustedRule
    data_categories: (
        Literal["any"] | Annotated[tuple[DataCategory, ...], Field(min_length=1), Unique()]
    ) = "any"
    replies_to: Annotated[tuple[MessageType, ...], Unique()] = ()
    urgency: UrgencyRule
    deadlines: Deadlines
    handover_deadline: Deadline | None = None
    leads: Lead
    linked_copy: bool
    runs_off: bool
    assumed: bool
    assumed_parts: Annotated[
        tuple[Literal["obligation", "legal_basis", "urgency", "deadlines", "responsibility"], ...],
        Unique(),
    ] = ()
    source: Line

    @model_validator(mode="after")
    def _can_be_carried_out(self) -> Self:
        least, default = RANK[self.urgency.least], RANK[self.urgency.default]
        deadlines = (self.deadlines.immediate, self.deadlines.today, self.deadlines.routine)
        wrong = {
            "the default is below the least urgency": default > least,
            "an urgency without deadline": None in deadlines[: least + 1],
            "a linked copy needs the deadline of today": self.linked_copy
            and self.deadlines.today is None,
            "a reply says to what it replies": (MessageType.REPLY in self.types)
            != bool(self.replies_to),
            # What was entrusted to a social worker leaves for the police by consent or in an
            # emergency alone; the other reasons of § 65 name youth welfare's own staff.
            "entrusted data to the police": self.direction.target is not AgencyKind.YOUTH_OFFICE
            and not set(self.section_65.grounds)
            <= {Entrusted.CONSENT, Entrusted.PROFESSIONAL_SECRET},
            # § 79 SGB X, § 35 SGB I: no feedback on how a case goes.
            "a reply to the police must say which data it may hold, never the case's course": (
                MessageType.REPLY in self.types
                and self.direction.covers(AgencyKind.YOUTH_OFFICE, AgencyKind.POLICE)
                and (
                    self.data_categories == "any"
                    or DataCategory.CASE_COURSE in self.data_categories
                )
            ),
            "labels are the police's": self.labels_required
            and self.direction.source is not AgencyKind.POLICE,
        }
        for what, holds in wrong.items():
            if holds:
                raise Refused("agreement-contradicts", f"clause {self.id}: {what}")
        return self

    def names(self, ground: Ground) -> bool:
        return self.grounds != "any" and ground in self.grounds

    def covers(self, ground: Ground) -> bool:
        return self.grounds == "any" or ground in self.grounds
