"""Which topics and ACLs the signed agreements imply: data in, data out.

Guarantees: a gateway gets no right that an agreement and its own status do not give (I4); a
suspended agency loses the exchange at once, a revoked one everything but to read who is enrolled,
so that its own gateway learns of it; topics are only ever added.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from meldeweg.kernel import topics
from meldeweg.kernel.agreement import BERLIN, Agreement, AgreementStatus, Standing, standing
from meldeweg.kernel.bus.rights import EVERYBODY, Acl, Operation, Pattern, Resource
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import Topic
from meldeweg.kernel.trust.objects import AgencyKind, AgencyStatus
from meldeweg.kernel.trust.view import KnownAgreement, View

AUDIT = "service-audit"
WATCH = "service-watch"
_EXCHANGING = (AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF)
_TRUST_TOPICS = (
    topics.REGISTRY_AGREEMENTS,
    topics.REGISTRY_SNAPSHOTS,
    topics.AUDIT_CHECKPOINTS,
)


@dataclass(frozen=True, slots=True)
class Provision:
    """All topics and managed ACLs that there should be, or that there are."""

    topics: frozenset[str]
    acls: frozenset[Acl]
    configs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # where they were asked


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be done; empty when broker and agreements agree."""

    create_topics: tuple[Topic, ...]
    create_acls: tuple[Acl, ...]
    delete_acls: tuple[Acl, ...]
    alter_topics: tuple[Topic, ...]  # with those keys alone that differ

    def __bool__(self) -> bool:
        return bool(self.create_topics or self.create_acls or self.delete_acls or self.alter_topics)


def trust_group(agency: AgencyId) -> str:
    """Name the one consumer group that a stopped agency keeps, so that it learns of it."""
    return f"gw-{agency}.trust"


def is_managed(principal: str) -> bool:
    """Say whether ACLs of this principal are the registry's to give and take.

    Those for everybody are: they give a gateway what no agreement gives, or withhold what one does.
    """
    return principal.startswith("gw-") or principal in (AUDIT, WATCH, EVERYBODY)


def desired(view: View, now: datetime) -> Provision:
    """Derive everything from the register at one instant."""
    names = set(topics.CENTRAL)
    acls = set(_central())
    for agency in view.agencies():
        names.update(topic.name for topic in topics.of_agency(agency))
        acls.update(_own(agency, view.status(agency)))
    worth = {each.digest: each for each in standing(view.agreements(), now)}
    today = now.astimezone(BERLIN).date()
    for agreement in view.agreements():
        names.update(topics.inbox(to, sender) for sender, to in _pairs(agreement, view))
        if _may_still_arrive(worth[agreement.digest], today):
            for sender, to in _pairs(agreement, view):
                acls.update(_exchange(view, sender, to))
    return Provision(frozenset(names), frozenset(acls))


def _may_still_arrive(held: Standing, today: date) -> bool:
    """Say whether something that was sent under it may still have to arrive, or its receipt (I1).

    After the run-off gateways refuse what is new; what was sent in it has its way until its end.
    """
    gone = held.gone_after()
    return held.status in _EXCHANGING or (
        held.status is AgreementStatus.ENDED and gone is not None and today <= gone
    )


def difference(want: Provision, have: Provision) -> Difference:
    """Compare; topics are never taken away (names are never used twice)."""
    managed = {acl for acl in have.acls if is_managed(acl.principal)}
    return Difference(
        tuple(topics.described(name) for name in sorted(want.topics - have.topics)),
        tuple(sorted(want.acls - managed)),
        tuple(sorted(managed - want.acls)),
        tuple(_drifted(want.topics & have.topics, have.configs)),
    )


def _drifted(names: Iterable[str], configs: Mapping[str, Mapping[str, str]]) -> Iterator[Topic]:
    """Yield the topics whose configuration is not what `kernel.topics` says, with what it must be.

    Keys that it does not name are the operators' own.
    """
    for name in sorted(names):
        there = configs.get(name)
        wanted = topics.described(name).config
        if there is not None:
            wrong = {key: value for key, value in wanted.items() if there.get(key) != value}
            if wrong:
                yield Topic(name, wrong)


def _pairs(agreement: KnownAgreement, view: View) -> Iterator[tuple[AgencyId, AgencyId]]:
    """Yield (sender, recipient) for every pair that any clause connects, in both directions.

    Both, because receipts, corrections and retractions travel the other way. An agreement that is
    not signed by all gives nothing.
    """
    parties = agreement.document.parties
    if not {party.agency for party in parties} <= agreement.signed_by & set(view.agencies()):
        return
    for one in parties:
        for other in parties:
            if one.agency != other.agency and _connected(agreement.document, one.kind, other.kind):
                yield one.agency, other.agency


def _connected(document: Agreement, one: AgencyKind, other: AgencyKind) -> bool:
    return any(
        clause.direction.covers(one, other) or clause.direction.covers(other, one)
        for clause in document.clauses
    )


def _own(agency: AgencyId, status: AgencyStatus) -> Iterator[Acl]:
    """Yield what an enrolled agency has without any partner."""
    principal = f"gw-{agency}"
    yield _acl(Resource.TOPIC, topics.REGISTRY_AGENCIES, principal, Operation.READ)
    yield _acl(Resource.GROUP, trust_group(agency), principal, Operation.READ)
    if status is AgencyStatus.REVOKED:
        return
    for topic in _TRUST_TOPICS:
        yield _acl(Resource.TOPIC, topic, principal, Operation.READ)
    yield _acl(Resource.TOPIC, topics.keys(agency), principal, Operation.READ)
    if status is AgencyStatus.SUSPENDED:
        return
    for own in topics.of_agency(agency):
        yield _acl(Resource.TOPIC, own.name, principal, Operation.WRITE)
    yield _acl(Resource.TOPIC, topics.AUDIT_COSIGNATURES, principal, Operation.WRITE)
    yield _prefix(Resource.TOPIC, topics.inbox_prefix(agency), principal)
    yield _prefix(Resource.GROUP, f"gw-{agency}.", principal)


def _exchange(view: View, sender: AgencyId, to: AgencyId) -> Iterator[Acl]:
    """Yield what `sender` may do towards its partner `to` while both are active."""
    if AgencyStatus.REVOKED in (own := (view.status(sender), view.status(to))):
        return
    principal = f"gw-{sender}"
    yield _acl(Resource.TOPIC, topics.keys(to), principal, Operation.READ)
    if AgencyStatus.SUSPENDED in own:
        return
    yield _acl(Resource.TOPIC, topics.contacts(to), principal, Operation.READ)
    yield _acl(Resource.TOPIC, topics.inbox(to, sender), principal, Operation.WRITE)


def _central() -> Iterable[Acl]:
    """Yield the rights of audit and watch: read, and for audit its own two topics."""
    for prefix in ("inbox.", "events."):
        yield _prefix(Resource.TOPIC, prefix, AUDIT)
    for topic in (topics.REGISTRY_AGENCIES, topics.AUDIT_CHECKPOINTS, topics.AUDIT_COSIGNATURES):
        yield _acl(Resource.TOPIC, topic, AUDIT, Operation.READ)
    yield _acl(Resource.TOPIC, topics.AUDIT_CHECKPOINTS, AUDIT, Operation.WRITE)
    for prefix in ("inbox.", "events.", "keys.", "registry."):
        yield _prefix(Resource.TOPIC, prefix, WATCH)
    yield _acl(Resource.TOPIC, topics.AUDIT_CHECKPOINTS, WATCH, Operation.READ)
    yield _prefix(Resource.GROUP, "watch.", WATCH)


def _acl(resource: Resource, name: str, principal: str, operation: Operation) -> Acl:
    return Acl(resource, Pattern.LITERAL, name, principal, operation)


def _prefix(resource: Resource, name: str, principal: str) -> Acl:
    return Acl(resource, Pattern.PREFIX, name, principal, Operation.READ)
