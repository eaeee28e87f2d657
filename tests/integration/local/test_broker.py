"""The broker alone: what it accepts, what it refuses, what it keeps."""

import os
import signal
import socket
import ssl

import psutil
import pytest
from confluent_kafka import KafkaException  # noqa: TID251 - the broker itself is under test
from confluent_kafka.admin import (  # noqa: TID251 - the broker itself is under test
    AdminClient,
    NewTopic,
)

from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.broker import Broker
from meldeweg.local.pki import DemoPki
from meldeweg.local.probes import kafka_answers


def admin(broker, credential):
    return AdminClient(
        {
            "bootstrap.servers": broker.bootstrap,
            "security.protocol": "ssl",
            "ssl.ca.location": str(credential.ca),
            "ssl.certificate.location": str(credential.cert),
            "ssl.key.location": str(credential.key),
            "log_level": 0,
        }
    )


def topics(broker, credential):
    client = admin(broker, credential)
    return set(client.list_topics(timeout=60).topics)


def create_topic(broker, credential, name):
    client = admin(broker, credential)
    client.create_topics([NewTopic(name, 1)])[name].result(60)


def port(broker):
    return int(broker.bootstrap.rsplit(":", 1)[1])


def test_a_client_without_a_certificate_gets_no_connection(broker):
    context = ssl.create_default_context(cafile=str(broker.pki.ca))
    with (
        socket.create_connection(("127.0.0.1", port(broker)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
    ):
        # With TLS 1.3 the client is done first; the broker's refusal is the first thing it reads.
        secured.recv(1)


def test_a_certificate_of_another_ca_gets_no_connection(broker, tmp_path):
    stranger = DemoPki(tmp_path / "pki").broker(1)
    genuine = broker.pki.ca.read_bytes()
    stranger.ca.write_bytes(genuine)  # trusts the right broker, is trusted by nobody
    with pytest.raises(Unavailable):
        kafka_answers(port(broker), stranger)


def test_tls_below_1_3_gets_no_connection(broker):
    context = ssl.create_default_context(cafile=str(broker.pki.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(broker.super_user.cert, broker.super_user.key)
    with (
        socket.create_connection(("127.0.0.1", port(broker)), timeout=30) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_only_a_broker_is_super_user(broker):
    create_topic(broker, broker.super_user, "made-by-the-super-user")
    gateway = broker.pki.gateway(AgencyId("jugendamt-ohne-rechte"))
    assert topics(broker, gateway) == set()
    with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
        create_topic(broker, gateway, "forbidden")
    assert "made-by-the-super-user" in topics(broker, broker.super_user)


def test_everything_listens_on_loopback(broker):
    listening = [
        connection.laddr.ip
        for child in broker.children
        for connection in psutil.Process(child.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == 2
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_directory_made_for_one_node_refuses_to_become_three(tmp_path):
    Broker(tmp_path).prepare()
    with pytest.raises(Fatal) as refused:
        Broker(tmp_path, nodes=3).prepare()
    assert refused.value.code == "broker-nodes-changed"


def test_a_directory_may_have_any_name_but_one_with_a_comma(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    with Broker(tmp_path / "Müller & Söhne #1") as broker:
        create_topic(broker, broker.super_user, "here")
        assert (broker.data / "1" / "data" / "meta.properties").is_file()
    with pytest.raises(Fatal) as refused:
        Broker(tmp_path / "a,b").prepare()
    assert refused.value.code == "directory-unusable"


def test_three_nodes_lose_one_and_go_on(tmp_path):
    with Broker(tmp_path, nodes=3) as broker:
        create_topic(broker, broker.super_user, "replicated")
        os.kill(broker.children[2].pid, signal.SIGKILL)
        for attempt in range(6):  # a client that is told of no controller waits its whole time
            try:
                create_topic(broker, broker.super_user, "after-the-loss")
                break
            except KafkaException:
                assert attempt < 5, "no new controller within a minute"
        assert {"replicated", "after-the-loss"} <= topics(broker, broker.super_user)
