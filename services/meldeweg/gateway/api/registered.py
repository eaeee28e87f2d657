"""The shapes of the verified register: agencies, contacts, places, permissions.

Guarantees: as `shapes`; all of it comes from what the anchor enrolled and the parties signed.
"""

from collections.abc import Mapping

from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.statement import Urgency


class AgencyEntry(Frozen):
    """One enrolled agency, as the trust anchor says and the agreement in force lists it."""

    id: AgencyId
    name: str
    kind: str
    status: str  # active | suspended | revoked
    me: bool
    municipalities: tuple[Ags, ...]
    reads: Mapping[str, tuple[int, ...]]


class ContactEntry(Frozen):
    """Whom to reach at a party: a function, never a private number."""

    agency: AgencyId
    office: str
    role: str
    phone: str
    hours: str


class MunicipalityEntry(Frozen):
    """A place, and who is responsible for it."""

    ags: Ags
    name: str
    youth_office: AgencyId
    youth_office_name: str
    police: AgencyId
    police_name: str


class PermissionEntry(Frozen):
    """One clause under which this agency may tell somebody something.

    `grounds`: absent where any counts. `deadlines`: urgency → by when, in German words.
    `assumed`: no published text of the agreement states it.
    """

    agreement: Digest
    clause: str
    title: str
    to: tuple[AgencyId, ...]
    types: tuple[str, ...]
    grounds: tuple[str, ...] | None = None
    obligation: str  # duty | permission
    condition: str | None = None
    legal_basis: tuple[str, ...]
    purpose: str
    urgency: Urgency
    least_urgency: Urgency
    deadlines: Mapping[str, str]
    labels_required: bool
    assumed: bool
    run_off: bool


class Agencies(Frozen):
    """All of them; a district has a dozen."""

    items: tuple[AgencyEntry, ...]


class Contacts(Frozen):
    """Sorted by agency."""

    items: tuple[ContactEntry, ...]


class Municipalities(Frozen):
    """Sorted by name."""

    items: tuple[MunicipalityEntry, ...]


class Permissions(Frozen):
    """In the order of the agreement's clauses."""

    items: tuple[PermissionEntry, ...]
