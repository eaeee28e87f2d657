"""A batch is settled, or given back from its first unsettled record on; nothing is passed over."""

import asyncio
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel import logs
from meldeweg.kernel.bus import settle
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.bus.settle import Settler
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Early, Fatal, Refused, Unavailable


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    logs.configure(service="test", strict=True)
    monkeypatch.setattr(settle, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(settle, "_LAST_PAUSE", 0.002)


def batch(values):
    return [Record("t", 0, n, 0, None, value, ()) for n, value in enumerate(values)]


class Bench:
    """A handler that does what each record's value says, and a quarantine that may fail."""

    def __init__(self, quarantine_failures=()):
        self.handled, self.quarantined, self.attempts, self.signs = [], [], 0, 0
        self.closing = asyncio.Event()
        self._failures = list(quarantine_failures)
        subscription = Subscription(
            name="test",
            group="g",
            topics=("t",),
            handle=self._handle,
            quarantine=self._quarantine,
            positions=None,
            on_reset=None,
        )
        self.settler = Settler(subscription, self.closing, self._alive)

    def settle(self, values):
        return self.settler.settle(batch(values))

    async def _handle(self, records):
        self.attempts += 1
        for record in records:
            if isinstance(record.value, list):  # fails until it is empty
                if record.value:
                    raise record.value.pop()
            elif isinstance(record.value, Exception):
                raise record.value
        self.handled += [record.offset for record in records if record.offset not in self.handled]

    async def _quarantine(self, record, code):
        if self._failures:
            raise self._failures.pop()
        self.quarantined.append((record.offset, code))

    def _alive(self):
        self.signs += 1


async def test_a_good_batch_is_handled_in_one_go():
    bench = Bench()
    assert await bench.settle([b"1", b"2", b"3"]) == 3
    assert (bench.attempts, bench.handled, bench.quarantined) == (1, [0, 1, 2], [])


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (Refused("bad-signature"), "bad-signature"),
        (Early("key-unknown"), "key-unknown"),
        (ValueError("content"), "handler-error"),
        (ExceptionGroup("x", [ValueError()]), "handler-error"),
        (StopAsyncIteration(), "handler-error"),
    ],
)
async def test_one_bad_record_is_found_and_quarantined_with_its_code(exc, code):
    bench = Bench()
    assert await bench.settle([b"1", exc, b"3"]) == 3
    assert (bench.handled, bench.quarantined) == ([0, 2], [(1, code)])


@pytest.mark.parametrize("exc", [Unavailable("store-locked"), OSError(), TimeoutError()])
async def test_trouble_around_is_waited_for_and_quarantines_nothing(exc):
    bench = Bench()
    assert await bench.settle([b"1", [exc] * 5]) == 2
    assert (bench.attempts, bench.handled, bench.quarantined) == (6, [0, 1], [])
    assert bench.signs >= 6  # a wait is not a stall
    assert bench.settler.trouble is None


async def test_what_is_waited_for_is_said():
    bench = Bench()
    settling = asyncio.create_task(bench.settle([[Unavailable("store-locked")] * 20]))
    await asyncio.sleep(0.01)
    assert bench.settler.trouble == "store-locked"
    await settling


async def test_a_batch_that_waits_is_given_back_when_stopping():
    bench = Bench()
    settling = asyncio.create_task(bench.settle([b"1", [Unavailable("x")] * 10_000]))
    await asyncio.sleep(0.01)
    bench.closing.set()
    assert await asyncio.wait_for(settling, 1) == 0


async def test_what_was_settled_before_a_record_that_waits_stays_settled_when_stopping():
    bench = Bench()
    values = [b"0", Refused("bad"), b"2", [Unavailable("x")] * 10_000, b"4"]
    # the batch fails at 1, so each is tried alone; 3 waits
    settling = asyncio.create_task(bench.settle(values))
    await asyncio.sleep(0.05)
    bench.closing.set()
    assert await asyncio.wait_for(settling, 1) == 3
    assert (bench.handled, bench.quarantined) == ([0, 2], [(1, "bad")])


@pytest.mark.parametrize("exc", [Fatal("log-forked"), MemoryError()])
async def test_what_must_end_the_process_is_raised_and_quarantines_nothing(exc):
    bench = Bench()
    with pytest.raises(type(exc)):
        await bench.settle([b"1", exc])
    assert bench.quarantined == []


@pytest.mark.parametrize("exc", [Unavailable("x"), OSError(), RuntimeError(), Refused("x")])
async def test_a_quarantine_that_fails_is_tried_until_it_is_durable(exc):
    bench = Bench(quarantine_failures=[exc] * 3)
    assert await bench.settle([Refused("bad"), b"2"]) == 2
    assert bench.quarantined == [(0, "bad")]


async def test_a_quarantine_that_keeps_failing_gives_the_record_back_when_stopping():
    bench = Bench(quarantine_failures=[RuntimeError()] * 10_000)
    settling = asyncio.create_task(bench.settle([Refused("bad"), b"2"]))
    await asyncio.sleep(0.02)
    assert bench.settler.trouble == "quarantine-failed"
    bench.closing.set()
    assert await asyncio.wait_for(settling, 1) == 0
    assert bench.handled == []


async def test_a_cancelled_batch_settles_nothing():
    bench = Bench()
    settling = asyncio.create_task(bench.settle([[Unavailable("x")] * 10_000]))
    await asyncio.sleep(0.01)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling


KINDS = (b"good", Refused("bad"), ValueError("x"))


@given(st.lists(st.sampled_from([*KINDS, "waits"]), max_size=12))
async def test_every_record_ends_in_exactly_one_place(kinds):
    bench = Bench()
    values = [[Unavailable("x")] if kind == "waits" else kind for kind in kinds]
    assert await bench.settle(values) == len(values)
    ended = sorted([*bench.handled, *(offset for offset, _ in bench.quarantined)])
    assert ended == list(range(len(values)))
    assert bench.handled == sorted(bench.handled)  # order among the good ones


@pytest.mark.parametrize("kinds", list(product(KINDS, repeat=3)))
async def test_every_combination_of_three(kinds):
    bench = Bench()
    assert await bench.settle(list(kinds)) == 3
    assert bench.handled == [n for n, kind in enumerate(kinds) if kind == b"good"]
