"""Each record that is wrong on purpose ends as the table says; the good ones around it arrive."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from meldeweg.kernel.errors import Refused
from unit.gateway import forgeries
from unit.gateway.forging import FORGERIES, MARKER, End, message
from unit.gateway.receiving import Gateway, digest
from unit.gateway.world import KREIS

PAGE = Path(__file__).parents[3] / "docs" / "poison.md"
_PARKED = (End.PARKED, End.PARKED_REFUSED, End.PARKED_FOR_GOOD)
_TOLD = (End.REFUSED, End.PARKED_REFUSED)


def good(world, case, n):
    """Return a good record of the same way: a message, or a receipt."""
    if case.me == KREIS:
        return message(world, n=n)
    return world.receipt(case.sent[0], "delivered")


async def arrived(gateway, case, batch):
    await gateway.take(*batch)
    if case.me == KREIS:
        return {row.digest for row in gateway.received()}
    return {gateway.sent_state(digest(each)) for each in case.sent}


@pytest.mark.parametrize("name", FORGERIES)
async def test_it_ends_as_the_table_says(store, world, capfd, name):
    forged = FORGERIES[name]
    case = forged.make(world)
    register = world.register(without=case.without)
    for topic, value in case.more:
        with suppress(Refused):  # what strangers signed
            register.apply(topic, value)
    gateway = Gateway(store, world, me=case.me, register=register)
    gateway.keys |= {key.kid: key for key in case.opens}
    for each in case.sent:
        await gateway.sent(each)
    if case.before:
        await gateway.take(*case.before)
        await gateway.produce()
    known = len(gateway.received())
    gateway.clock.advance(case.later)

    assert bool(case.good) is bool(forged.beside)
    around = case.good or [good(world, case, n) for n in (1, 2)]
    found = await arrived(gateway, case, [around[0], case.record, around[1]])
    if case.me == KREIS:
        wanted = {digest(each) for each in (*case.before, *around)}
        assert found == wanted
        assert len(gateway.received()) == known + len(around)
    else:
        assert found == {"delivered"}
    for each in (case.record, *around):
        assert gateway.offset(each.topic) == gateway._next[each.topic]

    if forged.end in _PARKED:
        assert [row.code for row in gateway.parked()] == [forged.code]
        assert gateway.quarantined() == []
        gateway.clock.advance(timedelta(days=1))
        await gateway.parking.once()
    waits = forged.end is End.PARKED_FOR_GOOD
    assert len(gateway.parked()) == waits
    assert gateway.quarantined() == [forged.code] * (not waits and forged.end is not End.AGAIN)
    refusals = [(kind, code) for kind, code, _ in gateway.given() if kind == "refused"]
    assert refusals == [("refused", forged.code)] * (forged.end in _TOLD)
    if forged.end is End.AGAIN:
        assert ("delivered", None, digest(case.record)) in gateway.given()

    said = capfd.readouterr()
    assert MARKER not in said.out + said.err
    told = [code for kind, code in gateway.told() if kind == "quarantined"]
    assert told == gateway.quarantined()


def test_the_page_in_the_docs_is_the_table_in_the_test():
    assert PAGE.read_text(encoding="utf-8") == forgeries.document()
