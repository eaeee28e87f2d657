"""A client ends whatever its broker does, and soon."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from meldeweg.kernel.bus import endings


class Transport:
    """A connection's: `abort` ends it at once, `close` only if the peer says goodbye."""

    def __init__(self):
        self.gone = asyncio.get_running_loop().create_future()

    def abort(self):
        self.gone.set_result(None)


class Client:
    """What `end` needs of aiokafka's client; its `close` is aiokafka 0.14's, in short."""

    def __init__(self, *, answered=True):
        self._md_update_fut = None
        self.transport = Transport()
        self._conns = {"node": SimpleNamespace(_writer=SimpleNamespace(transport=self.transport))}
        if answered:
            self.transport.gone.set_result(None)

    async def close(self):
        self._conns["node"]._writer = None
        await asyncio.gather(self.transport.gone)


@pytest.fixture
async def mute():
    return Client(answered=False)


async def test_a_broker_that_does_not_say_goodbye_is_not_waited_for(mute):
    began = time.monotonic()
    with capture_logs() as said:
        await endings.end(mute, [], _stopping(mute), orderly=15)
    assert time.monotonic() - began < 5  # it took all of `orderly`
    assert mute.transport.gone.done()
    assert [each["event"] for each in said] == ["connections_cut"]


async def test_nothing_is_cut_that_ends_by_itself():
    with capture_logs() as said:
        await endings.end(client := Client(), [], _stopping(client), orderly=15)
    assert said == []


async def test_a_client_without_an_orderly_end_is_cut_too(mute):
    await endings.end(mute, [])
    assert mute.transport.gone.done()


async def test_a_batch_under_way_still_has_its_time(mute):
    handled = asyncio.create_task(asyncio.sleep(2 * endings.GOODBYE))

    async def stop():
        await handled
        await mute.close()

    await endings.end(mute, [handled], stop(), orderly=15)
    assert not handled.cancelled()


async def _stopping(client):
    await client.close()  # found when it is called, as aiokafka's consumer finds it
