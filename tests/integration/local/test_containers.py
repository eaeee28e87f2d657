"""Broker and database from containers, where Docker is there: the same promises as processes."""

import asyncio

import psycopg
import pytest

from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import described
from meldeweg.local import BackboneAlone, Options, Stack
from meldeweg.local.backbone import CONTAINERS, KIND_VARIABLE
from meldeweg.local.bootstrap import connection
from meldeweg.local.containers import docker_is_there
from meldeweg.local.pki import DemoPki
from meldeweg.local.probes import kafka_answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # testcontainers' own


@pytest.mark.skipif(not docker_is_there(), reason="no Docker here: nothing to run containers on")
def test_containers_keep_the_promises_of_processes(tmp_path, monkeypatch):
    monkeypatch.setenv(KIND_VARIABLE, CONTAINERS)
    options = Options(directory=tmp_path / "stack")
    with Stack(options, BackboneAlone()) as stack:
        known = stack.description()
        port = int(known.broker.bootstrap.rsplit(":", 1)[1])
        kafka_answers(port, stack.super_user)
        with pytest.raises(Unavailable):
            kafka_answers(port, DemoPki(tmp_path / "stranger").broker(1))
        asyncio.run(rights_hold(stack, known))
        with psycopg.connect(known.postgres.uri) as database:
            database.execute("CREATE TABLE kept AS SELECT 7 AS n")
        assert known.broker.pid > 0
        assert known.postgres.pid > 0
    with Stack(options, BackboneAlone()) as again:
        with psycopg.connect(again.description().postgres.uri) as database:
            assert database.execute("SELECT n FROM kept").fetchone() == (7,)
        registry = connection(again.description().broker.bootstrap, again.pki.service("registry"))
        assert "keys.polizei-viersen" in asyncio.run(Admin(registry).topics())


async def rights_hold(stack, known):
    """The registry may, a gateway that nobody gave rights may not."""
    registry = Admin(connection(known.broker.bootstrap, stack.pki.service("registry")))
    stranger = Admin(
        connection(known.broker.bootstrap, stack.pki.gateway(AgencyId("polizei-viersen")))
    )
    topic = described("keys.polizei-viersen")
    assert await registry.create_topics([topic], replication=1) == [topic.name]
    assert await stranger.topics() == set()
    with pytest.raises(Refused):
        await stranger.create_topics([described("events.polizei-viersen")], replication=1)
    await registry.close()
    await stranger.close()


def test_three_brokers_are_not_to_be_had_from_containers(tmp_path, monkeypatch):
    monkeypatch.setenv(KIND_VARIABLE, CONTAINERS)
    with pytest.raises(Refused) as refused:
        Stack(Options(directory=tmp_path, brokers=3), BackboneAlone()).start()
    assert refused.value.code == "containers-one-broker"


@pytest.mark.skipif(docker_is_there(), reason="Docker is here")
def test_without_docker_the_choice_of_containers_is_refused_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setenv(KIND_VARIABLE, CONTAINERS)
    with pytest.raises(Unavailable) as refused:
        Stack(Options(directory=tmp_path), BackboneAlone()).start()
    assert refused.value.code == "docker-unreachable"
