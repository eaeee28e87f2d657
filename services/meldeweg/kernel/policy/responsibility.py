"""Which office is responsible: where the child is (§ 87 SGB VIII) or where the parents live (§ 86).

Guarantees: the answer comes from the signed agreement alone. Where the leading place is not known
or lies outside the district, the other one leads: somebody must act at once (§ 86d SGB VIII).
"""

from dataclasses import dataclass

from meldeweg.kernel.agreement.clause import Clause, Lead
from meldeweg.kernel.agreement.document import Agreement
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy.notcovered import NotCovered, Rule
from meldeweg.kernel.schemas.record import Places
from meldeweg.kernel.trust.objects import AgencyKind


@dataclass(frozen=True, slots=True)
class Responsibility:
    """Who leads; who gets a linked copy; which places lie outside (phone their office)."""

    lead: AgencyId
    linked_copy: AgencyId | None = None
    outside: tuple[Ags, ...] = ()


def responsible(
    document: Agreement,
    clause: Clause,
    kind: AgencyKind,
    places: Places,
    sender: AgencyId | None = None,
) -> Responsibility:
    """Return the offices of `kind` for `places`, or refuse `outside-district`.

    The sender knows already and gets no linked copy.
    """
    by_place = (places.place, places.residence)
    ordered = by_place if clause.leads is Lead.PLACE else by_place[::-1]
    named = [ags for ags in ordered if ags is not None]
    offices = [(ags, document.office(kind, ags)) for ags in named]
    inside = [office.agency for _, office in offices if office is not None]
    if not inside:
        raise NotCovered(Rule.OUTSIDE, document.district.name)
    others = [agency for agency in inside if agency not in (inside[0], sender)]
    return Responsibility(
        lead=inside[0],
        linked_copy=others[0] if others and clause.linked_copy else None,
        outside=tuple(ags for ags, office in offices if office is None),
    )
