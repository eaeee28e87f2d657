"""The verified register as the agency's own systems see it: the API's port `Directory`.

Guarantees: answers are of the view at this moment, and of agreements that count now. Nothing here
is secret: an agreement and the register are known to all its parties.
"""

from collections.abc import Iterator

from meldeweg.gateway.api.shapes import (
    AgencyEntry,
    ContactEntry,
    MunicipalityEntry,
    PermissionEntry,
)
from meldeweg.kernel.agreement import (
    AgreementStatus,
    Clause,
    Obligation,
    Standing,
    deadline_in_german,
    standing,
)
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.policy import may_tell
from meldeweg.kernel.schemas.record import Labels
from meldeweg.kernel.trust.objects import AgencyKind
from meldeweg.kernel.trust.view import View

_COUNTS = (AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF)


class Directory:
    """Asks the view each time; a district has a dozen agencies."""

    def __init__(self, me: AgencyId, view: View, clock: Clock) -> None:
        self._me, self._view, self._clock = me, view, clock

    def agencies(self) -> tuple[AgencyEntry, ...]:
        """Return every enrolled agency, by id."""
        return tuple(
            AgencyEntry(
                id=agency,
                name=enrolment.name,
                kind=enrolment.kind.value,
                status=self._view.status(agency).value,
                me=agency == self._me,
                municipalities=enrolment.municipalities,
                reads=dict(self._view.reads(agency)),
            )
            for agency, enrolment in sorted(self._view.agencies().items())
        )

    def contacts(self) -> tuple[ContactEntry, ...]:
        """Return whom to phone at each partner, by agency, as the agreements name them."""
        found = {
            ContactEntry(
                agency=party.agency,
                office=party.name,
                phone=contact.phone,
                note=f"{contact.role}, {contact.hours}",
            ): None
            for held in self._held()
            for party in sorted(held.document.parties, key=lambda each: each.agency)
            for contact in party.call
        }
        return tuple(sorted(found, key=lambda entry: entry.agency))

    def municipalities(self, query: str, limit: int) -> tuple[MunicipalityEntry, ...]:
        """Return places whose name holds `query`, or whose key begins with it, by name."""
        wanted = query.strip().casefold()
        found = {
            entry.ags: entry
            for held in self._held()
            for entry in _places(held)
            if wanted in entry.name.casefold() or entry.ags.startswith(wanted)
        }
        return tuple(sorted(found.values(), key=lambda entry: entry.name)[:limit])

    def permissions(self) -> tuple[PermissionEntry, ...]:
        """Return what this agency may tell whom, clause by clause."""
        return tuple(
            entry
            for held in self._held()
            for clause, partners in may_tell(held, self._me)
            if held.status is AgreementStatus.IN_FORCE or clause.runs_off
            for entry in _permissions(clause, partners)
        )

    def _held(self) -> tuple[Standing, ...]:
        found = standing(self._view.agreements(), self._clock.now())
        return tuple(
            each
            for each in found
            if each.status in _COUNTS and each.document.party(self._me) is not None
        )


def _places(held: Standing) -> Iterator[MunicipalityEntry]:
    for ags, name in held.document.municipalities.items():
        office = held.document.office(AgencyKind.YOUTH_OFFICE, ags)
        if office is not None:
            yield MunicipalityEntry(
                ags=ags, name=name, youth_office=office.agency, youth_office_name=office.name
            )


def _permissions(clause: Clause, partners: tuple[AgencyId, ...]) -> Iterator[PermissionEntry]:
    deadline = deadline_in_german(clause.deadlines.of(clause.urgency.default))
    for kind in clause.types:
        yield PermissionEntry(
            clause=clause.id,
            title=clause.title,
            to=partners,
            type=kind.value,
            grounds=("any",) if clause.grounds == "any" else tuple(map(str, clause.grounds)),
            duty=clause.obligation is Obligation.DUTY,
            legal_basis="; ".join(clause.legal_basis),
            purpose=clause.purpose,
            urgency=clause.urgency.default,
            least_urgency=clause.urgency.least,
            deadline=deadline,
            labels_required=tuple(Labels.model_fields) if clause.labels_required else (),
            assumed=clause.assumed,
        )
