"""Intake when it can't be: keys, register, room; nothing is kept of what was not accepted."""

import asyncio
from datetime import timedelta

import pytest

from meldeweg.gateway.api.shapes import Answer
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.kernel import topics
from meldeweg.kernel.errors import Unavailable
from unit.gateway.sending import KEY, NOTHING, Sender, order, payload_of
from unit.gateway.world import KREIS


async def test_without_a_key_of_the_recipient_nothing_is_accepted(store, world):
    gone = tuple(
        value
        for topic, value in world.records
        if topic == topics.keys(KREIS)
        and world.offices[KREIS].seal.kid.encode() in payload_of(value)
    )
    assert gone
    police = Sender(store, world, register=world.register(without=gone))
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "no-key"
    assert police.counts() == NOTHING


async def test_a_contradicting_register_stops_sealing(police):
    police.trust.contradicting = "keys.jugendamt-kreis-viersen"
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "register-contradicts"
    assert police.counts() == NOTHING


async def test_a_stale_snapshot_is_a_warning(police):
    police.clock.advance(timedelta(minutes=6))
    answer = Answer.read((await police.intake.accept(order(), KEY)).answer, "x")
    assert [warning.code for warning in answer.warnings] == ["snapshot-stale"]


async def test_a_full_outbox_refuses_and_keeps_nothing(store, world):
    police = Sender(store, world, settings=OutboxSettings(bytes_max=10_000, free_min=0))
    answers = await asyncio.gather(
        *(police.intake.accept(order(), f"key-{n:04}") for n in range(20)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, Unavailable)]
    assert {each.code for each in refused} == {"outbox-full"}
    assert 0 < police.counts()["sent"] == len(answers) - len(refused) < 10


async def test_a_disk_nearly_full_refuses(store, world):
    police = Sender(store, world, settings=OutboxSettings(free_min=0.999999))
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "store-full"
