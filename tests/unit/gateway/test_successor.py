"""An agreement that replaces another, and what is on its way meanwhile."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.gateway import phoning
from meldeweg.gateway.directory import Directory
from meldeweg.gateway.states import SentState
from meldeweg.kernel import strictjson, topics
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyKind
from unit.gateway.sending import order
from unit.gateway.world import KREIS, NOW

NUMBER = "02162 999999"
MIDNIGHT = datetime(2026, 11, 22, 23, tzinfo=UTC)  # of the 23rd, in Berlin


def successor(world, first, signed=NOW, **more):
    """Return the records of an agreement from `first` on that all signed at `signed`."""
    document = json.loads(world.agreement)
    term = document["term"] | {"from": first, "until": "2032-04-30"}
    data = strictjson.dumps(document | {"replaces": world.agreement_digest, "term": term} | more)
    yield topics.REGISTRY_AGREEMENTS, data
    if signed:
        for office in world.offices.values():
            signature = world.signature(office, Digest.of(data), signed)
            yield topics.REGISTRY_AGREEMENTS, signature


def learn(offices, records):
    for record in records:
        for office in offices:
            office.register.apply(*record)


def at(office, moment):
    office.clock.advance(moment - office.clock.now())


async def answered(police, kreis, message):
    await kreis.carry(police)
    await police.carry(kreis)
    return (await police.box.get(message)).state


async def test_what_was_sent_before_the_last_signature_is_delivered(both, world):
    """The usual case on paper: the term has begun, and the last party signs now."""
    police, kreis = both
    accepted = await police.intake.accept(order(), "key-0001")
    learn(both, successor(world, "2026-11-20"))
    assert await answered(police, kreis, accepted.id) is SentState.DELIVERED


async def test_who_has_not_read_the_last_signature_sends_under_what_there_was(both, world):
    police, kreis = both
    learn([kreis], successor(world, "2026-11-20"))
    accepted = await police.intake.accept(order(), "key-0001")
    assert await answered(police, kreis, accepted.id) is SentState.DELIVERED


async def test_who_knows_both_sends_under_the_successor(both, world):
    police, kreis = both
    records = list(successor(world, "2026-11-20"))
    learn(both, records)
    accepted = await police.intake.accept(order(), "key-0001")
    assert await answered(police, kreis, accepted.id) is SentState.DELIVERED
    (got,) = kreis.store.peek(lambda db: db.execute("SELECT agreement FROM received").fetchall())
    assert got == (Digest.of(records[0][1]),)


async def test_an_answer_by_a_slow_clock_on_the_first_day_counts(both, world):
    police, kreis = both
    learn(both, successor(world, "2026-11-23"))
    at(police, MIDNIGHT.replace(second=2))
    at(kreis, MIDNIGHT.replace(hour=22, minute=59, second=30))
    accepted = await police.intake.accept(order(), "key-0001")
    assert await answered(police, kreis, accepted.id) is SentState.DELIVERED


def with_number(world):
    parties = json.loads(world.agreement)["parties"]
    return [
        party | {"call": [each | {"phone": NUMBER} for each in party["call"]]} for party in parties
    ]


@pytest.mark.parametrize("signed", [NOW, None])
def test_the_number_is_that_of_the_agreement_that_counts(both, world, signed):
    police, _ = both
    before = phoning.agency(standing(police.register.agreements(), NOW), KREIS)
    learn([police], successor(world, "2026-11-20", signed, parties=with_number(world)))
    call = phoning.agency(standing(police.register.agreements(), NOW), KREIS)
    assert call.phone == (NUMBER if signed else before.phone)
    shown = Directory(KREIS, police.register, police.clock).contacts()
    assert {each.phone == NUMBER for each in shown} == {bool(signed)}
    assert len(shown) == len(dict.fromkeys(shown))


async def test_a_slip_in_a_draft_makes_no_place_ambiguous(both, world):
    police, _ = both
    names = json.loads(world.agreement)["municipalities"]
    swapped = names | {"05166008": names["05166012"], "05166012": names["05166008"]}
    learn([police], successor(world, "2026-11-20", None, municipalities=swapped))
    before = await police.intake.check(order(to={"place": names["05166008"]}))
    learn([police], successor(world, "2026-11-20", municipalities=swapped))
    signed = await police.intake.check(order(to={"place": names["05166008"]}))
    assert (before.recipient, signed.recipient) == (KREIS, "jugendamt-kempen")


@pytest.mark.parametrize("first", ["2026-11-20", "2026-12-01"])
@pytest.mark.parametrize("enrolled", [(KREIS,), ("jugendamt-kempen",), (KREIS, "jugendamt-kempen")])
async def test_a_place_that_moves_is_never_without_an_office(both, world, first, enrolled):
    """In whichever order the anchor enrols and the day comes."""
    police, _ = both
    document = json.loads(world.agreement)
    grefrath, kempen = "05166008", "jugendamt-kempen"
    for party in document["parties"]:
        if party["kind"] == "youth-office":
            party["municipalities"] = [ags for ags in party["municipalities"] if ags != grefrath]
        if party["agency"] == kempen:
            party["municipalities"] = sorted([*party["municipalities"], grefrath])
    body = order(to={"place": grefrath})
    enrol(police, world, grefrath, enrolled)
    if enrolled != (KREIS,):
        with pytest.raises(Refused):  # nothing explains it
            await police.intake.check(body)
    learn([police], successor(world, first, parties=document["parties"]))
    office = kempen if first < "2026-11-22" else KREIS
    assert (await police.intake.check(body)).recipient == office
    enrol(police, world, grefrath, ("jugendamt-nettetal",))
    with pytest.raises(Refused) as contradicted:
        await police.intake.check(body)
    assert contradicted.value.code == "responsibility-contradicts"


def enrol(office, world, ags, named):
    """Enrol the youth offices again, `named` with this place."""
    for agency, known in office.register.agencies().items():
        if known.kind is AgencyKind.YOUTH_OFFICE:
            places = [each for each in known.municipalities if each != ags]
            places += [ags] if agency in named else []
            at = known.at + timedelta(minutes=1)
            again = known.model_copy(update={"municipalities": tuple(sorted(places)), "at": at})
            token = issue.signed(again, world.anchor)
            office.register.apply(topics.REGISTRY_AGENCIES, token)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_a_place_is_known_in_either_form_of_its_umlaut(both, form):
    police, _ = both
    place = unicodedata.normalize(form, "Brüggen")
    assert (await police.intake.check(order(to={"place": place}))).recipient == KREIS
