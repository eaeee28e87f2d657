"""Poison between good records: quarantined as it came, and answered to who surely sent it alone."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import AsyncMock

from meldeweg.gateway.retention import Retention
from meldeweg.kernel import statement as statements
from meldeweg.kernel import topics
from meldeweg.kernel.ids import Digest
from unit.gateway.receiving import INBOX, digest, poison
from unit.gateway.world import KREIS, NETTETAL


class TestPoison:
    async def test_each_kind_is_quarantined_and_the_good_ones_around_it_arrive(
        self, gateway, world
    ):
        bad = poison(world)
        good = [world.message(n=n) for n in range(1, len(bad) + 2)]
        batch = [good[0]]
        for (record, _), after in zip(bad, good[1:], strict=True):
            batch += [record, after]
        placed = await gateway.take(*batch)
        assert gateway.quarantined() == [code for _, code in bad]
        assert [row.digest for row in gateway.received()] == [digest(each) for each in good]
        assert gateway.offset(INBOX) == max(r.offset for r in placed if r.topic == INBOX) + 1
        quarantined = [each for each in gateway.told() if each[0] == "quarantined"]
        assert quarantined == [("quarantined", code) for _, code in bad]

    async def test_its_exact_bytes_are_kept_also_a_header_key_that_is_not_utf8(
        self, gateway, world
    ):
        record = replace(
            world.message(),
            key=b"\xff\x00",
            value=b"\x00\xff" * 10,
            headers=(("\udcff\udcfe", b"\x80"), ("null", None)),
        )
        await gateway.take(record)
        page = await gateway.quarantine.list(None, 10)
        (item,) = page.items
        assert item.code == "header-malformed"
        assert not item.verified
        full = await gateway.quarantine.get(item.id)
        assert (full.key_size, full.value_size) == (2, 20)
        assert full.value_sha256 == Digest.of(record.value)
        assert [(each.name, each.value) for each in full.headers] == [
            ("__4", "gA"),
            ("bnVsbA", None),
        ]

    async def test_it_is_erased_when_its_sender_signed_that_nobody_may_hold_it(
        self, gateway, world
    ):
        bad = [record for record, _ in poison(world)]
        unsigned, refused = bad[2], bad[4]
        await gateway.take(unsigned, refused)
        forged, signed = (await gateway.quarantine.list(None, 10)).items
        told = statements.parse(refused.header("statement")).context
        assert (forged.delete_after, signed.delete_after) == (None, told.delete_after)
        gateway.clock.advance(timedelta(days=31))
        give_up = AsyncMock()
        days = timedelta(days=7), timedelta(days=30)
        retention = Retention(gateway.store, gateway.clock, *days, give_up)
        assert await retention.once() == 1
        erased = await gateway.quarantine.get(forged.id)
        assert erased.erased_at == gateway.clock.now()
        assert (erased.key_size, erased.value_size, erased.headers) == (None, None, ())
        assert (erased.code, erased.digest) == (forged.code, forged.digest)
        kept = await gateway.quarantine.get(signed.id)
        assert (kept.erased_at, kept.value_size) == (None, len(refused.value))

    async def test_five_hundred_with_poison_inside_are_one_transaction(self, gateway, world):
        seal = [world.message(n=n) for n in range(1, 41)]
        bad = [record for record, _ in poison(world)] * 4
        batch = []
        for n in range(480):
            batch.append(seal[n % 40])
            if n % 24 == 0:
                batch.append(bad[n // 24])
        assert len(batch) == 500
        before = gateway.store.writer.commits
        await gateway.take(*batch)
        assert gateway.store.writer.commits == before + 1
        assert sorted(row.digest for row in gateway.received()) == sorted(map(digest, seal))
        entries = (await gateway.quarantine.list(None, 99)).items  # each came four times
        assert [entry.times for entry in entries] == [4] * 5

    async def test_a_refusal_goes_only_to_a_sender_whose_record_it_is(self, gateway, world):
        for record, _ in poison(world):
            await gateway.take(record)
        assert [(kind, code) for kind, code, _ in gateway.given()] == [
            ("refused", "envelope-not-for-this-key")
        ]

    async def test_a_changed_value_is_not_refused_to_its_honest_sender(self, gateway, world):
        # Whoever changed it would else make the sender give up what it will produce again.
        record = world.message()
        await gateway.take(replace(record, value=record.value[:-9] + b'AAAAAAA"}'))
        assert gateway.given() == []
        await gateway.take(record)
        assert gateway.given() == [("delivered", None, digest(record))]

    async def test_a_record_in_anothers_topic_says_nothing_to_the_one_who_signed_it(
        self, gateway, world
    ):
        stolen = replace(world.message(), topic=topics.inbox(KREIS, NETTETAL))
        await gateway.take(stolen)
        assert gateway.given() == []
        assert gateway.quarantined() == ["topic-contradicts"]

    async def test_what_the_bus_could_not_even_hand_over_is_kept_too(self, gateway, world):
        (record,) = gateway.placed(world.message())
        await gateway.arrivals.quarantine(record, "handler-error")
        assert gateway.quarantined() == ["handler-error"]
        assert gateway.offset(INBOX) == 1
        assert gateway.given() == []

    async def test_nothing_of_a_quarantined_content_is_in_the_log(self, gateway, world, capfd):
        marker = "Kleeblattgasse"
        record = world.message(inside={"payload": {marker: marker}})
        await gateway.take(record)
        assert gateway.quarantined() == ["schema-invalid"]
        said = capfd.readouterr()
        assert marker not in said.err + said.out
        assert "record_quarantined" in said.err + said.out

    async def test_the_answer_to_the_latest_term_can_be_read_again(self, gateway, world):
        """Of a later one it could be written into the outbox, and never left it."""
        await gateway.take(world.message(context_changes={"delete_after": "2199-12-01"}))
        (answer,) = gateway.rows("receipt")
        assert answer.open_until.year == 2199

    async def test_what_nobody_may_hold_any_more_is_not_held_until_the_day_its_sender_wrote(
        self, gateway, world
    ):
        """The agreement's day is past; the context says a later one."""
        record = world.message(context_changes={"delete_after": "2199-12-01"})
        gateway.clock.advance(timedelta(days=200))
        await gateway.take(record)
        assert gateway.quarantined() == ["past-delete-after"]
        query = "SELECT delete_after FROM quarantine"
        ((day,),) = gateway.peek(lambda db: db.execute(query).fetchall())
        assert day <= gateway.clock.now().date().isoformat()
