"""What a gateway's certificate may not do is refused by the broker itself, whatever it tries.

Jugendamt Kempen attacks, with its own valid certificate; others come with worse ones.
"""

import contextlib
import shutil
import socket
import ssl
import struct
from datetime import timedelta

import pytest
from confluent_kafka import (  # noqa: TID251 - tries what our own clients have no call for
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # noqa: TID251 - as above
    AclOperation,
    AdminClient,
    NewPartitions,
    OffsetSpec,
)

from e2e.asking import eventually
from e2e.invented import KEMPEN, KREIS, POLICE
from meldeweg.kernel import topics
from meldeweg.kernel.bus import produce
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.probe import read_is_allowed
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused
from meldeweg.local.pki import DemoPki

_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 4711, -1)  # what any client asks first
_NOT_AUTHORIZED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
_THEIRS = topics.inbox(KREIS, POLICE)


@pytest.fixture
def me(district):
    return district.connection(KEMPEN)


@pytest.fixture
async def admin(me):
    admin = Admin(me)
    yield admin
    await admin.close()


@pytest.fixture
def raw(me):
    """librdkafka's own administration, with calls that ours does not have."""
    return AdminClient(me.admin_options())


def refused(future):
    """The broker said no, for want of a right."""
    with pytest.raises(KafkaException) as said:
        future.result(60)
    assert said.value.args[0].code() in _NOT_AUTHORIZED, said.value
    return True


def unseen(future):
    """The broker does not even say who leads it, so the client finds nobody to ask."""
    with pytest.raises(KafkaException):
        future.result(60)
    return True


@pytest.mark.parametrize(
    "topic",
    [
        _THEIRS,
        topics.inbox(POLICE, KREIS),
        topics.inbox(KREIS, KEMPEN),  # not even back what it wrote itself
        topics.events(KREIS),
        topics.events(KEMPEN),
        topics.AUDIT_COSIGNATURES,
    ],
)
async def test_reading_what_is_not_addressed_to_it_is_refused(me, topic):
    await read_is_allowed(me, topics.inbox(KEMPEN, POLICE))  # the attempt itself works
    with pytest.raises(Refused) as said:
        await read_is_allowed(me, topic)
    assert said.value.code == "topic-not-authorized"


async def test_writing_anywhere_but_into_its_own_topics_is_refused(district, me):
    places = [
        _THEIRS,
        topics.inbox(KEMPEN, POLICE),  # nor may it send itself something in another's name
        topics.keys(KREIS),
        topics.events(KREIS),
        topics.contacts(KREIS),
        topics.REGISTRY_AGENCIES,
        topics.REGISTRY_AGREEMENTS,
        topics.REGISTRY_SNAPSHOTS,
        topics.AUDIT_CHECKPOINTS,
    ]
    super_user = Admin(district.super_user())
    before = await super_user.offsets(places)
    producer = produce.Producer(me)
    try:
        (may,) = await producer.send([Outgoing(topics.AUDIT_COSIGNATURES, None, b"a test")])
        said = [(await producer.send([Outgoing(place, b"key", b"forged")]))[0] for place in places]
    finally:
        await producer.stop()
    assert isinstance(may, Ack)
    assert not any(isinstance(each, Ack) for each in said)
    assert {each.code for each in said} == {"topic-not-authorized"}
    after = await super_user.offsets(places)
    await super_user.close()
    grow = {topics.REGISTRY_SNAPSHOTS, topics.AUDIT_CHECKPOINTS, topics.events(KREIS)}  # by owners
    quiet = {place for place in before if place[0] not in grow}
    assert {place: after[place] for place in quiet} == {place: before[place] for place in quiet}


@pytest.mark.parametrize(
    "group", [f"gw-{KREIS}.inbox", f"gw-{KREIS}.trust", "registry.trust", "watch.all"]
)
def test_joining_the_consumer_group_of_another_is_refused(me, group):
    consumer = Consumer(me.admin_options() | {"group.id": group, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topics.inbox(KEMPEN, POLICE)])
        said = eventually(lambda: consumer.poll(0.5), every=0)
        assert said.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    finally:
        consumer.close()


def test_moving_or_deleting_the_group_of_another_is_refused(raw):
    theirs = f"gw-{KREIS}.inbox"
    moved = ConsumerGroupTopicPartitions(theirs, [TopicPartition(_THEIRS, 0, 0)])
    (altered,) = raw.alter_consumer_group_offsets([moved]).values()
    assert refused(altered)
    (deleted,) = raw.delete_consumer_groups([theirs]).values()
    assert refused(deleted)


async def test_making_a_topic_is_refused_and_writing_to_none_makes_none(district, me, admin):
    name = "inbox.jugendamt-kempen.nobody"
    with pytest.raises(Refused) as said:
        await admin.create_topics([topics.described(name)], replication=1)
    assert said.value.code == "broker-not-authorized"
    producer = produce.Producer(me)
    try:
        (answer,) = await producer.send([Outgoing(name, None, b"x")])
    finally:
        await producer.stop()
    assert not isinstance(answer, Ack)
    super_user = Admin(district.super_user())
    assert name not in await super_user.topics()
    await super_user.close()


@pytest.mark.parametrize("topic", [_THEIRS, topics.events(KEMPEN), topics.inbox(KEMPEN, POLICE)])
def test_deleting_a_topic_its_records_or_adding_partitions_is_refused(raw, topic):
    (deleted,) = raw.delete_topics([topic]).values()
    assert refused(deleted)
    (widened,) = raw.create_partitions([NewPartitions(topic, 2)]).values()
    assert refused(widened)
    (emptied,) = raw.delete_records([TopicPartition(topic, 0, 1)]).values()
    if topic == _THEIRS:
        assert unseen(emptied)
    else:
        assert refused(emptied)


@pytest.mark.parametrize("topic", [_THEIRS, topics.events(KEMPEN)])
async def test_altering_or_seeing_a_configuration_is_refused(admin, topic):
    for attempt in (admin.alter_configs([topics.described(topic)]), admin.configs([topic])):
        with pytest.raises(Refused) as said:
            await attempt
        assert said.value.code == "broker-not-authorized"


async def test_giving_taking_or_seeing_rights_is_refused(admin):
    right = Acl(Resource.TOPIC, Pattern.LITERAL, _THEIRS, f"gw-{KEMPEN}", Operation.READ)
    for attempt in (admin.create_acls([right]), admin.delete_acls([right]), admin.acls()):
        with pytest.raises(Refused) as said:
            await attempt
        assert said.value.code == "broker-not-authorized"


@pytest.mark.parametrize("name", [f"gw-{KEMPEN}", "anything"])
def test_a_transactional_id_is_refused(me, name):
    producer = Producer(me.admin_options() | {"transactional.id": name})
    with pytest.raises(KafkaException) as said:
        producer.init_transactions(60)
    assert said.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


async def test_the_cluster_gives_it_no_right_and_shows_it_no_topic_of_others(raw, admin):
    described = raw.describe_cluster(include_authorized_operations=True).result(60)
    assert set(described.authorized_operations or ()) <= {AclOperation.IDEMPOTENT_WRITE}
    seen = await admin.topics()
    inboxes = {name for name in seen if name.startswith("inbox.")}
    assert topics.inbox(KEMPEN, POLICE) in inboxes
    assert [name for name in inboxes if KEMPEN not in name.split(".")] == []
    (ends,) = raw.list_offsets(
        {TopicPartition(_THEIRS, 0): OffsetSpec.latest()},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
    ).values()
    assert unseen(ends)
    (shape,) = raw.describe_topics(TopicCollection([_THEIRS])).values()
    assert refused(shape)


# Who has no valid certificate gets no word with the broker


def answered(bootstrap, context):
    """Say whether the broker answers a first question asked over such a connection."""
    host, port = bootstrap.split(":")
    with contextlib.ExitStack() as closing:
        talk = closing.enter_context(socket.create_connection((host, int(port)), timeout=20))
        try:
            if context:
                talk = closing.enter_context(context.wrap_socket(talk, server_hostname=host))
            talk.sendall(_API_VERSIONS)
            head = talk.recv(8)  # TLS 1.3: a refused certificate shows at the first read
        except (ssl.SSLError, ConnectionError):
            return False
    return len(head) == 8 and struct.unpack(">i", head[4:])[0] == 4711


def tls(ca, credential=None):
    context = ssl.create_default_context(cafile=ca)
    if credential:
        context.load_cert_chain(credential.cert, credential.key)
    return context


def test_without_a_valid_certificate_the_broker_says_nothing(district, tmp_path):
    bootstrap, pki = district.described.broker.bootstrap, district.stack.pki
    ca = district.described.broker.ca
    assert answered(bootstrap, tls(ca, pki.gateway(KEMPEN)))  # the attempt itself works
    assert not answered(bootstrap, None), "plaintext"
    assert not answered(bootstrap, tls(ca)), "no certificate"
    stranger = DemoPki(tmp_path / "stranger").gateway(KEMPEN)
    assert not answered(bootstrap, tls(ca, stranger)), "a certificate of another CA"
    copied = tmp_path / "expired"
    copied.mkdir(mode=0o700)
    for name in ("ca.pem", "ca.key"):
        shutil.copy(pki.ca.with_name(name), copied / name)
    past = FixedClock(district.now() - timedelta(days=3650))
    assert not answered(bootstrap, tls(ca, DemoPki(copied, past).gateway(KEMPEN))), "expired"
    old = tls(ca, pki.gateway(KEMPEN))
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not answered(bootstrap, old), "TLS 1.2"


def test_a_broker_of_another_authority_gets_no_word_from_a_client(district, tmp_path):
    other = DemoPki(tmp_path / "other").ca
    with pytest.raises(ssl.SSLCertVerificationError):
        raise_as_client(district.described.broker.bootstrap, tls(other))


def raise_as_client(bootstrap, context):
    host, port = bootstrap.split(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass
