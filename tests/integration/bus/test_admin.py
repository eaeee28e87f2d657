"""Administration of a real broker: idempotent, bounded, within its rights."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.rights import CLUSTER, Acl, Operation, Pattern, Resource
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.topics import Topic, described
from meldeweg.local import broker as local_broker
from meldeweg.local.broker import Broker


def every_kind(stage):
    gateway = f"gw-{stage.me}"
    return {
        Acl(Resource.TOPIC, Pattern.LITERAL, stage.inbox("a"), gateway, Operation.WRITE),
        Acl(Resource.TOPIC, Pattern.PREFIX, f"inbox.{stage.me}.", gateway, Operation.READ),
        Acl(Resource.GROUP, Pattern.PREFIX, f"{gateway}.", gateway, Operation.READ),
        *(
            Acl(Resource.CLUSTER, Pattern.LITERAL, CLUSTER, gateway, operation)
            for operation in (
                Operation.CREATE,
                Operation.ALTER,
                Operation.DESCRIBE,
                Operation.ALTER_CONFIGS,
                Operation.DESCRIBE_CONFIGS,
                Operation.IDEMPOTENT_WRITE,
                Operation.CLUSTER_ACTION,
                Operation.ALL,
            )
        ),
        Acl(Resource.TOPIC, Pattern.LITERAL, stage.inbox("a"), gateway, Operation.DELETE),
        Acl(Resource.TOPIC, Pattern.LITERAL, "x", gateway, Operation.READ, host="192.0.2.1"),
        Acl(Resource.TOPIC, Pattern.PREFIX, "x", gateway, Operation.READ, denies=True),
        Acl(Resource.TRANSACTIONAL_ID, Pattern.LITERAL, "x", gateway, Operation.WRITE),
    }


async def mine(stage):
    return {acl for acl in await stage.admin.acls() if acl.principal == f"gw-{stage.me}"}


async def test_topics_are_created_once_with_exactly_their_configuration(stage):
    topic = described(stage.inbox("a"))
    assert await stage.admin.create_topics([topic], replication=1) == [topic.name]
    assert await stage.admin.create_topics([topic], replication=1) == []
    assert topic.name in await stage.admin.topics()
    configs = await stage.admin.configs([topic.name, stage.inbox("nobody")])
    assert configs.keys() == {topic.name}
    assert topic.config.items() <= configs[topic.name].items()


async def test_a_configuration_that_drifted_is_set_again(stage):
    topic = described(stage.inbox("a"))
    drifted = Topic(topic.name, topic.config | {"compression.type": "gzip"})
    await stage.admin.create_topics([drifted], replication=1)
    await stage.admin.alter_configs([topic])
    end = time.monotonic() + 20  # a broker learns of it a little later
    while (await stage.admin.configs([topic.name]))[topic.name]["compression.type"] == "gzip":
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    assert (await stage.admin.configs([topic.name]))[topic.name]["compression.type"] == (
        "uncompressed"
    )


async def test_every_kind_of_right_is_given_seen_and_taken_back_idempotently(stage):
    rights = every_kind(stage)
    await stage.admin.create_acls(rights)
    await stage.admin.create_acls(rights)
    assert await mine(stage) == rights
    half = set(sorted(rights)[::2])
    await stage.admin.delete_acls(half)
    await stage.admin.delete_acls(half)
    assert await mine(stage) == rights - half


async def test_a_topic_made_anew_has_another_id(stage):
    (a,) = await stage.topics("a")
    (first,) = (await stage.admin.topic_ids([a])).values()
    delete = await stage.admin._call(lambda client: client.delete_topics([a]))
    delete[a].result(60)
    end = time.monotonic() + 20  # a broker learns of it a little later
    while await stage.admin.topic_ids([a]):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    await stage.topics("a")
    while not (found := await stage.admin.topic_ids([a])):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    (second,) = found.values()
    assert first != second
    assert len(first.bytes) == 16


async def test_offsets_say_where_a_log_begins_and_ends(stage):
    a, b = await stage.topics("a", "b")
    await stage.write(a, b"1", b"2")
    asked = [a, b, stage.inbox("nobody")]
    assert await stage.admin.offsets(asked) == {(a, 0): (0, 2), (b, 0): (0, 0)}


async def test_nothing_to_do_asks_nobody(stage):
    admin = Admin(stage.connection())
    assert await admin.create_topics([], replication=1) == []
    await admin.create_acls([])
    await admin.delete_acls([])
    await admin.alter_configs([])
    assert await admin.topic_ids([]) == await admin.offsets([]) == await admin.configs([]) == {}


@pytest.mark.parametrize("operation", ["create topic", "give right", "take right", "see rights"])
async def test_a_gateway_may_administer_nothing(stage, operation):
    admin = Admin(stage.connection())
    attempts = {
        "create topic": lambda: admin.create_topics([described(stage.inbox("a"))], replication=1),
        "give right": lambda: admin.create_acls(every_kind(stage)),
        "take right": lambda: admin.delete_acls(every_kind(stage)),
        "see rights": admin.acls,
    }
    with pytest.raises(Refused) as refusal:
        await attempts[operation]()
    assert refusal.value.code == "broker-not-authorized"


async def test_a_wrong_configuration_is_refused(stage):
    with pytest.raises(Refused) as refusal:
        await stage.admin.create_topics(
            [Topic(stage.inbox("a"), {"cleanup.policy": "never"})], replication=1
        )
    assert refusal.value.code == "broker-refused"


async def test_a_frozen_broker_is_unavailable_in_bounded_time(stage):
    admin = Admin(stage.connection(stage.broker.super_user), timeout=2)
    (topic,) = await stage.topics("a")
    await admin.offsets([topic])
    stage.freeze()
    try:
        for attempt in (admin.topics, admin.acls, lambda: admin.offsets([topic])):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await attempt()
            assert time.monotonic() - began < 6
    finally:
        stage.thaw()


@pytest.fixture
def fencing(tmp_path, monkeypatch):
    """A broker that tells of itself more seldom than its controller believes it."""
    usual = local_broker.server_properties

    def slow(*args, **more):
        text = usual(*args, **more)
        return f"{text}broker.session.timeout.ms=1500\nbroker.heartbeat.interval.ms=2500\n"

    monkeypatch.setattr(local_broker, "server_properties", slow)
    with Broker(tmp_path) as broker:
        yield broker


async def test_a_broker_that_fenced_itself_ends_nobody_who_administers(fencing):
    """It names no broker then, itself included, which librdkafka aborts at in a look at it."""
    me = fencing.super_user
    setup = Admin(Connection(fencing.bootstrap, me.ca, me.cert, me.key, "setup"))
    right = Acl(Resource.TOPIC, Pattern.LITERAL, "x", "gw-x", Operation.READ)
    await until_done(lambda: setup.create_acls([right]))
    looker = await asyncio.create_subprocess_exec(
        sys.executable, Path(__file__).parent / "looker.py", "90",
        *map(str, (fencing.bootstrap, me.ca, me.cert, me.key)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await looker.communicate()
    assert looker.returncode == 0, err.decode()
    found = json.loads(out)
    assert found.get("topics unavailable")  # it was fenced meanwhile
    assert {"acls", "configs", "topic_ids"} <= found.keys()


async def until_done(call, seconds=90):
    """Try until the broker takes it: fenced, it names no controller."""
    until = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
