"""Look-ups in the verified register: agencies, contacts, places, and what may be told to whom.

Guarantees: only what the trust anchor's chain and signed agreements say; nothing of a message.
Trusts: the view for all of it; it answers as things stand at this moment.
"""

import unicodedata
from collections.abc import Iterator

from meldeweg.gateway.api.registered import (
    AgencyEntry,
    ContactEntry,
    MunicipalityEntry,
    PermissionEntry,
)
from meldeweg.kernel.agreement import (
    RANK,
    AgreementStatus,
    Clause,
    Party,
    Standing,
    deadline_in_german,
    standing,
)
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import AMENDMENTS, may_tell, precedence
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyKind, AgencyStatus
from meldeweg.kernel.trust.view import View

_HOLDS = (AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


class Directory:
    """The API's port."""

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
        """Return whom to phone at each party of an agreement that holds, by agency.

        Of several agreements the numbers in the one that counts most.
        """
        found: dict[AgencyId, tuple[ContactEntry, ...]] = {}
        for held in self._held():
            for party in held.document.parties:
                found.setdefault(party.agency, tuple(dict.fromkeys(_contacts(party))))
        return tuple(entry for _, entries in sorted(found.items()) for entry in entries)

    def municipalities(self, query: str, limit: int) -> tuple[MunicipalityEntry, ...]:
        """Return places whose name contains `query`, or whose key begins with it."""
        wanted = _spoken(query)
        found: dict[Ags, MunicipalityEntry] = {}
        for held in self._held():
            for ags, name in held.document.municipalities.items():
                if ags.startswith(query) or _contains(_spoken(name), wanted):
                    found.setdefault(ags, self._place(held, ags, name))
        starts = tuple(wanted)
        first = {
            ags: any(s.startswith(starts) for s in _spoken(one.name)) for ags, one in found.items()
        }
        ordered = sorted(found.values(), key=lambda one: (not first[one.ags], one.name))
        return tuple(ordered[:limit])

    def permissions(self) -> tuple[PermissionEntry, ...]:
        """Return each clause under which this agency may tell somebody something, as of now."""
        return tuple(
            _permission(held, clause, types, self._reachable(partners))
            for held in self._held()
            for clause, partners in may_tell(held, self._me)
            if (types := _types(held, clause))
        )

    def _held(self) -> Iterator[Standing]:
        """Yield our agreements under which something may be sent, those in force first."""
        now = self._clock.now()
        known = [
            one
            for one in standing(self._view.agreements(), now)
            if one.status in _HOLDS and one.document.party(self._me) is not None
        ]
        yield from sorted(known, key=precedence)

    def _place(self, held: Standing, ags: Ags, name: str) -> MunicipalityEntry:
        office = held.document.office(AgencyKind.YOUTH_OFFICE, ags)
        police = held.document.office(AgencyKind.POLICE, ags)
        assert office is not None  # a document that was parsed is complete
        assert police is not None
        return MunicipalityEntry(
            ags=ags,
            name=name,
            youth_office=office.agency,
            youth_office_name=office.name,
            police=police.agency,
            police_name=police.name,
        )

    def _reachable(self, partners: tuple[AgencyId, ...]) -> tuple[AgencyId, ...]:
        revoked = AgencyStatus.REVOKED
        return tuple(one for one in partners if self._view.status(one) is not revoked)


def _contacts(party: Party) -> Iterator[ContactEntry]:
    for contact in party.call:
        yield ContactEntry(
            agency=party.agency,
            office=party.name,
            role=contact.role,
            phone=contact.phone,
            hours=contact.hours,
        )


def _types(held: Standing, clause: Clause) -> tuple[MessageType, ...]:
    """Return what may still be sent: in run-off only what duty demands (I4)."""
    if held.status is AgreementStatus.IN_FORCE or clause.runs_off:
        return clause.types
    return tuple(kind for kind in clause.types if kind in AMENDMENTS)


def _permission(
    held: Standing, clause: Clause, types: tuple[MessageType, ...], to: tuple[AgencyId, ...]
) -> PermissionEntry:
    allowed = [one for one in Urgency if RANK[one] <= RANK[clause.urgency.least]]
    return PermissionEntry(
        agreement=held.digest,
        clause=clause.id,
        title=clause.title,
        to=to,
        types=tuple(str(kind) for kind in types),
        grounds=None if clause.grounds == "any" else tuple(str(one) for one in clause.grounds),
        obligation=clause.obligation.value,
        condition=clause.condition,
        legal_basis=clause.legal_basis,
        purpose=clause.purpose,
        urgency=clause.urgency.default,
        least_urgency=clause.urgency.least,
        deadlines={one.value: deadline_in_german(clause.deadlines.of(one)) for one in allowed},
        labels_required=clause.labels_required,
        assumed=clause.assumed,
        run_off=held.status is AgreementStatus.RUN_OFF,
    )


def _contains(spelt: frozenset[str], wanted: frozenset[str]) -> bool:
    return any(text in name for text in wanted for name in spelt)


def _spoken(text: str) -> frozenset[str]:
    """Return how a name may be typed: with umlauts, with ae/oe/ue, and with neither."""
    folded = unicodedata.normalize("NFC", text).strip().casefold()
    bare = "".join(
        one for one in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(one)
    )
    return frozenset({folded, folded.translate(_GERMAN), bare})
