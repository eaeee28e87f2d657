"""A leader that does not answer is no reason to read nothing of the others."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import errors as kafka  # noqa: TID251 - what is driven here

from meldeweg.kernel.bus import inquiry

A, B, C = ("t.a", 0), ("t.b", 0), ("t.c", 0)
LEADERS = {"t.a": 1, "t.b": 2, "t.c": -1}


class Client:
    """Answers for each leader as it is told to: an exception, "never", or offsets 3 to 7."""

    def __init__(self, **leaders):
        self._does = {int(name.removeprefix("n")): what for name, what in leaders.items()}
        self.updates = 0
        self.cluster = SimpleNamespace(leader_for_partition=lambda place: LEADERS[place.topic])

    def force_metadata_update(self):
        self.updates += 1

    async def send(self, leader, request, group):
        match self._does[leader]:
            case "never":
                await asyncio.sleep(3600)
            case Exception() as exc:
                raise exc
        which = request._topics[0][1][0][1]
        offset = {inquiry._EARLIEST: 3, inquiry._LATEST: 7}[which]
        topics = [
            (name, [(each, 0, 0, offset) for each, _ in asked]) for name, asked in request._topics
        ]
        return SimpleNamespace(topics=topics)


AWAY = [
    kafka.KafkaConnectionError(),
    kafka.RequestTimedOutError(),
    ConnectionRefusedError(),
    "never",
]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(inquiry, "_PATIENCE", 0.1)


@pytest.mark.parametrize("away", AWAY, ids=str)
async def test_one_leader_that_is_away_leaves_out_its_own_alone(away):
    client = Client(n1="answers", n2=away)
    assert await inquiry.bounds(client, [A, B]) == {A: (3, 7)}
    assert client.updates == 1  # perhaps another leads by now


@pytest.mark.parametrize("away", AWAY, ids=str)
async def test_when_nobody_answers_that_is_told(away):
    with pytest.raises(inquiry._AWAY):
        await inquiry.bounds(Client(n1=away, n2=away), [A, B])


async def test_what_nobody_leads_is_left_out_and_asked_for_again():
    client = Client(n1="answers")
    assert await inquiry.bounds(client, [A, C]) == {A: (3, 7)}
    assert client.updates == 1


async def test_a_mistake_of_ours_is_not_taken_for_a_leader_that_is_away():
    with pytest.raises(KeyError):
        await inquiry.bounds(Client(n1="answers", n2=KeyError("mistake")), [A, B])
