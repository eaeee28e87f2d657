"""A client ends whatever its broker does, and soon."""

import asyncio
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from aiokafka.client import AIOKafkaClient  # noqa: TID251 - what is ended here
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
        self._md_update_fut = self._sync_task = None
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


async def test_a_cancellation_that_leaks_from_the_client_ends_nothing_of_ours(mute):
    """aiokafka cancels its tasks, awaits them, and lets out what they say of it."""
    left = asyncio.create_task(asyncio.Event().wait())

    async def stop():
        raise asyncio.CancelledError

    await endings.end(mute, [left], stop(), orderly=15)
    assert mute.transport.gone.done()
    assert left.cancelled()


async def test_a_client_of_which_a_task_died_leaves_no_connection():
    """Its own `close` raises what the task died of before it closes any."""

    async def dies():
        raise KeyError((1, 0))

    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    goodbye = asyncio.get_running_loop().create_future()
    goodbye.set_result(None)
    connection = Mock(close=Mock(return_value=goodbye))
    client._conns = {"node": connection}
    client._sync_task = asyncio.create_task(dies())
    await asyncio.wait([client._sync_task])
    with capture_logs() as said:
        await endings.end(client, [])
    assert connection.close.called
    assert [each["event"] for each in said] == ["client_task_died"]


async def test_who_ends_a_client_may_be_cancelled_all_the_same():
    began = asyncio.Event()

    async def stop():
        began.set()
        await asyncio.Event().wait()

    ending = asyncio.create_task(endings.end(Client(), [], stop(), orderly=15))
    await began.wait()
    ending.cancel()
    await asyncio.wait([ending], timeout=1)
    assert ending.cancelled()


async def _stopping(client):
    await client.close()  # found when it is called, as aiokafka's consumer finds it
