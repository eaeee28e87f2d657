"""What holds of every decision, whatever is asked: searched for by Hypothesis."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from districts import RHEIN_ERFT, standing
from meldeweg.kernel import policy
from meldeweg.kernel.agreement import RANK, AgreementStatus
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import NotCovered, Original, Rule, Transfer
from meldeweg.kernel.schemas.record import Labels, Places
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyKind

DISTRICTS = [standing(), standing(RHEIN_ERFT)]
STRANGERS = [AgencyId("jugendamt-fremdstadt"), AgencyId("polizei-fremdstadt")]
AGENCIES = [
    *(party.agency for held in DISTRICTS for party in held.document.parties[:3]),
    *STRANGERS,
]
AT = datetime(2026, 11, 21, 22, 40, tzinfo=UTC)
LABELS = Labels(collected_by="a", means="b", category_of_person="c", offence="d")


def subset(values):
    return st.lists(st.sampled_from(list(values)), unique=True, max_size=3).map(tuple)


agencies = st.sampled_from(AGENCIES)
towns = st.none() | st.sampled_from(
    [Ags("05166008"), Ags("05166012"), Ags("05362004"), Ags("05162004")]
)
transfers = st.builds(
    Transfer,
    sender=agencies,
    recipient=agencies,
    type=st.sampled_from(MessageType),
    data_categories=subset(DataCategory),
    grounds=subset(Ground),
    labels=st.none() | st.just(LABELS),
    entrusted=st.none() | st.sampled_from(Entrusted),
    places=st.none() | st.builds(Places, place=towns, residence=towns),
    handover_at=st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(AT.__add__),
    urgency=st.none() | st.sampled_from(Urgency),
    override=st.booleans(),
    original=st.none()
    | st.builds(Original, sender=agencies, recipient=agencies, type=st.sampled_from(MessageType)),
)
statuses = st.sampled_from(AgreementStatus)


@st.composite
def plausible(draw):
    """Draw a transfer that is often permitted, so that permits are looked at as well."""
    transfer = draw(transfers)
    held = draw(st.sampled_from(DISTRICTS))
    police, *offices = [party.agency for party in held.document.parties[:3]]
    pair = draw(st.permutations([police, *offices]))
    sender, recipient = pair[0], pair[1]
    way = draw(st.sampled_from([(sender, recipient), (recipient, sender)]))
    return replace(
        transfer,
        sender=sender,
        recipient=recipient,
        original=Original(sender=way[0], recipient=way[1], type=draw(st.sampled_from(MessageType))),
        places=draw(st.none() | st.just(transfer.places)),
        data_categories=draw(st.just(()) | st.just((DataCategory.IDENTITY,))),
    )


def ask(held, transfer):
    try:
        permit = policy.decide(held, transfer, AT)
    except NotCovered as exc:
        event(f"refused {exc.rule}")
        return None
    event(f"permitted {transfer.type}")
    return permit


def document_of(permit):
    return next(held.document for held in DISTRICTS if held.digest == permit.agreement)


@settings(max_examples=400)
@given(transfers | plausible(), statuses, statuses)
def test_nothing_is_ever_permitted_to_or_by_a_non_party(transfer, first, second):
    held = [
        replace(one, status=status) for one, status in zip(DISTRICTS, (first, second), strict=True)
    ]
    permit = ask(held, transfer)
    if permit:
        document = document_of(permit)
        assert document.party(transfer.sender)
        assert document.party(transfer.recipient)
        assert transfer.sender != transfer.recipient
        status = next(one.status for one in held if one.digest == permit.agreement)
        assert status in (AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF)


@settings(max_examples=400)
@given(plausible())
def test_the_run_off_permits_nothing_new(transfer):
    run_off = [replace(one, status=AgreementStatus.RUN_OFF) for one in DISTRICTS]
    permit = ask(run_off, transfer)
    if permit and Rule.RUN_OFF not in permit.waived:
        clauses = [document_of(permit).clause(name) for name in permit.clauses]
        assert transfer.type in policy.AMENDMENTS or all(clause.runs_off for clause in clauses)
    if permit and not transfer.override:
        # Whatever the run-off permits, the agreement in force permitted as well.
        assert ask(DISTRICTS, transfer)


@settings(max_examples=400)
@given(plausible())
def test_nothing_entrusted_ever_leaves_without_its_ground(transfer):
    permit = ask(DISTRICTS, transfer)
    if permit and transfer.entrusted not in (None, Entrusted.NONE):
        for name in permit.clauses:
            assert transfer.entrusted in document_of(permit).clause(name).section_65.grounds


@settings(max_examples=400)
@given(plausible())
def test_the_police_never_get_the_course_of_a_case_in_a_reply(transfer):
    transfer = replace(transfer, data_categories=(DataCategory.CASE_COURSE,))
    permit = ask(DISTRICTS, transfer)
    if permit and transfer.type is MessageType.REPLY:
        document = document_of(permit)
        offices = (document.party(transfer.sender).kind, document.party(transfer.recipient).kind)
        assert offices != (AgencyKind.YOUTH_OFFICE, AgencyKind.POLICE)


@settings(max_examples=400)
@given(plausible())
def test_only_administration_is_waived_and_only_in_danger(transfer):
    permit = ask([replace(DISTRICTS[0], status=AgreementStatus.RUN_OFF)], transfer)
    if permit:
        assert set(permit.waived) <= policy.ADMINISTRATIVE
        if permit.waived:
            assert transfer.override
            assert permit.case_urgency is Urgency.IMMEDIATE


@settings(max_examples=400)
@given(plausible(), st.sampled_from(Urgency))
def test_asking_for_more_never_gives_less(transfer, asked):
    plain = ask(DISTRICTS, replace(transfer, urgency=asked))
    raised = ask(DISTRICTS, replace(transfer, urgency=Urgency.IMMEDIATE))
    if plain and raised:
        assert RANK[plain.case_urgency] <= RANK[asked]
        assert raised.ack_by <= plain.ack_by


@settings(max_examples=400)
@given(plausible())
def test_a_refusal_always_says_why_and_a_permit_lies_ahead(transfer):
    permit, refusal = None, None
    try:
        permit = policy.decide(DISTRICTS, transfer, AT)
    except NotCovered as exc:
        refusal = exc
    if refusal:
        assert refusal.code == "not-covered"
        assert transfer.sender not in {each.agency for each in refusal.call}
    else:
        assert permit.ack_by > AT
        assert permit.clause in permit.clauses
        assert permit.legal_basis
