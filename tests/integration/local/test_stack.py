"""A whole stack, as `meldeweg local up` runs it: one directory, from nothing to ready and back."""

import asyncio
import json
import os
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from integration.local.plans import OneService, described, eventually, up_begun, up_elsewhere
from integration.local.supervising import alive
from meldeweg.kernel import logfile
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import described as topic
from meldeweg.local import BackboneAlone, Options, Stack, down, status
from meldeweg.local.bootstrap import connection
from meldeweg.local.jars import broker_jars
from meldeweg.local.output import log_path
from meldeweg.local.pki import DemoPki
from meldeweg.local.probes import kafka_answers
from meldeweg.local.progress import Silent


@pytest.fixture(scope="module", autouse=True)
def jars():
    """Fetched before anything is measured or waited for."""
    broker_jars()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One that is up; tests leave it as they found it."""
    options = Options(
        directory=tmp_path_factory.mktemp("stack"),
        extra={"audit": {"MELDEWEG_CLOCK_OFFSET": "3600"}},
    )
    with Stack(options, OneService()) as running:
        yield running


def all_processes(directory):
    """Every process there is whose command line names this directory: broker and database do."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(directory) in part for part in process.info["cmdline"] or ())
    ]


def run(call):
    return asyncio.run(call)


def admin(stack, credential):
    return Admin(connection(stack.description().broker.bootstrap, credential))


# What a running stack says and keeps


def test_stack_json_has_the_shape_of_the_interface_and_is_for_its_owner_alone(stack):
    path = stack.directory / "stack.json"
    content = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert content["district"] == "kreis-viersen"
    assert {"bootstrap", "ca", "pid", "data"} <= set(content["broker"])
    assert {"uri", "data"} <= set(content["postgres"])
    assert content["agencies"] == {}
    audit = content["services"]["audit"]
    assert set(audit) == {"url", "pid", "token", "kafka"}
    assert set(audit["kafka"]) == {"cert", "key"}
    assert psutil.pid_exists(content["broker"]["pid"])
    with psycopg.connect(content["postgres"]["uri"]) as database:
        assert database.execute("SELECT current_user").fetchone() == ("postgres",)


def test_every_log_line_of_every_process_is_a_json_object(stack):
    logs = sorted((stack.directory / "logs").glob("*.jsonl"))
    assert {path.stem for path in logs} >= {"broker-1", "postgres", "audit", "supervisor"}
    for path in logs:
        for line in path.read_text().splitlines():
            assert isinstance(json.loads(line), dict), path.name
        assert path.stat().st_mode & 0o077 == 0


def test_time_and_memory_of_each_part_are_measured(stack):
    timings = json.loads((stack.directory / "timings.json").read_text())
    told = sum(timings["phases_seconds"].values())
    assert timings["total_seconds"] - 1 < told <= timings["total_seconds"]
    assert set(timings["memory_bytes"]) == {"broker-1", "postgres", "audit", "supervisor"}
    assert 150 << 20 < timings["memory_bytes"]["broker-1"] < 700 << 20
    assert timings["memory_total_bytes"] == sum(timings["memory_bytes"].values())


def test_a_service_knows_the_file_it_has_to_set_aside(stack):
    log = log_path(stack.directory / "logs", "audit").resolve()
    environment = {name: psutil.Process(pid).environ() for name, pid in stack.pids.items()}
    assert Path(environment["audit"][logfile.VARIABLE]).resolve() == log
    assert Path(f"/proc/{stack.pids['audit']}/fd/2").resolve() == log
    assert logfile.VARIABLE not in environment["broker-1"]  # its lines go through the supervisor


def test_extra_settings_reach_the_named_process_alone(stack):
    environment = {name: psutil.Process(pid).environ() for name, pid in stack.pids.items()}
    assert environment["audit"]["MELDEWEG_CLOCK_OFFSET"] == "3600"
    assert "MELDEWEG_CLOCK_OFFSET" not in environment["broker-1"]


def test_no_secret_is_on_any_command_line(stack):
    secrets = [p.read_text().strip() for p in (stack.directory / "secrets").glob("postgres-*")]
    lines = [" ".join(p.info["cmdline"]) for p in all_processes(stack.directory)]
    assert len(secrets) >= 4
    assert lines
    for secret in secrets:
        assert all(secret not in line for line in lines)


def test_a_second_up_on_the_same_directory_is_refused_and_harms_nothing(stack):
    before = described(stack.directory)
    with pytest.raises(Refused) as refused:
        Stack(Options(directory=stack.directory), BackboneAlone()).start()
    assert refused.value.code == "stack-in-use"
    assert described(stack.directory) == before
    assert status(stack.directory).exit_code == 0


def test_status_names_each_process_and_one_that_is_not_well(stack):
    assert {s.name for s in status(stack.directory).states} == {
        "supervisor",
        "postgres",
        "broker-1",
        "audit",
    }
    pid = stack.pids["audit"]
    os.kill(pid, signal.SIGSTOP)
    try:
        ill = status(stack.directory)
        assert ill.exit_code == 10
        assert [s.name for s in ill.states if s.problem] == ["audit"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_pid_that_changes_changes_stack_json(stack):
    before = described(stack.directory).services["audit"].pid
    os.kill(before, signal.SIGKILL)
    after = eventually(
        lambda: (p := described(stack.directory).services["audit"].pid) != before and p
    )
    assert after == stack.pids["audit"]
    eventually(lambda: status(stack.directory).exit_code == 0)


@pytest.mark.parametrize("name", ["postgres", "broker-1"])
def test_database_and_broker_come_back_after_kill_9_with_what_they_had(stack, name):
    before = stack.pids[name]
    with psycopg.connect(stack.description().postgres.uri) as database:
        database.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    registry = admin(stack, stack.pki.service("registry"))
    run(registry.create_topics([topic("registry.agencies")], replication=1))
    os.kill(before, signal.SIGKILL)
    eventually(lambda: stack.pids[name] != before)
    known = stack.description()
    if name == "postgres":
        eventually(lambda: answers(lambda: psycopg.connect(known.postgres.uri).close()))
        with psycopg.connect(known.postgres.uri) as database:
            assert database.execute("SELECT * FROM kept").fetchall() == []
    else:
        port = int(known.broker.bootstrap.rsplit(":", 1)[1])
        eventually(lambda: answers(lambda: kafka_answers(port, stack.super_user)))
        assert "registry.agencies" in run(registry.topics())
    run(registry.close())
    assert described(stack.directory) == known


def answers(call):
    try:
        call()
    except (Unavailable, psycopg.OperationalError):
        return False
    return True


# What the registry may do, and what it may not


def test_the_registry_may_make_topics_and_give_and_take_rights(stack):
    registry = admin(stack, stack.pki.service("registry"))
    right = Acl(Resource.TOPIC, Pattern.LITERAL, "keys.polizei-viersen", "gw-x", Operation.READ)

    async def work():
        created = await registry.create_topics([topic("keys.polizei-viersen")], replication=1)
        await registry.alter_configs([topic("keys.polizei-viersen")])
        await registry.create_acls([right])
        await until(lambda acls: right in acls)
        await registry.delete_acls([right])
        await until(lambda acls: right not in acls)
        await registry.close()
        return created

    async def until(good):  # a change reaches the authorizer a little after the call returns
        while not good(await registry.acls()):  # noqa: ASYNC110 - the broker has no event for it
            await asyncio.sleep(0.05)

    assert run(work()) == ["keys.polizei-viersen"]


def test_the_registry_is_no_super_user(stack):
    """It may delete no topic and read no inbox, as the broker's own list of rights says."""
    registry = admin(stack, stack.pki.service("registry"))

    async def rights():
        try:
            return await registry.acls()
        finally:
            await registry.close()

    own = {a for a in run(rights()) if a.principal == "service-registry"}
    assert own
    assert {a.operation for a in own}.isdisjoint({Operation.ALL, Operation.DELETE})
    reading = {a.name for a in own if a.operation is Operation.READ}
    assert reading == {"registry.", "keys."}


def test_a_gateway_that_nobody_gave_rights_may_do_nothing(stack):
    gateway = admin(stack, stack.pki.gateway(AgencyId("jugendamt-nettetal")))

    right = Acl(Resource.TOPIC, Pattern.LITERAL, "*", "gw-jugendamt-nettetal", Operation.READ)

    async def attempt():
        try:
            assert await gateway.topics() == set()
            with pytest.raises(Refused) as refused:
                await gateway.create_topics([topic("events.jugendamt-nettetal")], replication=1)
            assert refused.value.code == "broker-not-authorized"
            with pytest.raises(Refused) as refused:
                await gateway.create_acls([right])
            assert refused.value.code == "broker-not-authorized"
        finally:
            await gateway.close()

    run(attempt())


# Coming and going


def test_down_leaves_nothing_running_and_a_second_up_goes_on(tmp_path):
    family = tmp_path / "family"
    directory = tmp_path / "stack"
    first = up_elsewhere(directory, "family", family)
    known = described(directory)
    with psycopg.connect(known.postgres.uri) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS n")
    pids = [known.broker.pid, known.postgres.pid, *map(int, family.read_text().split())]
    assert down(directory) == 0
    assert "Bereit nach" in first.communicate(timeout=60)[0]
    assert first.returncode == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert all_processes(directory) == []
    assert described(directory) is None
    assert status(directory).exit_code == 3
    with Stack(Options(directory=directory), BackboneAlone()) as second:
        again = second.description()
        assert again.broker.bootstrap == known.broker.bootstrap
        with psycopg.connect(again.postgres.uri) as database:
            assert database.execute("SELECT n FROM kept").fetchone() == (7,)


def test_ctrl_c_while_starting_ends_everything(tmp_path):
    directory = tmp_path / "stack"
    process = up_begun(directory)
    eventually(lambda: log_path(directory / "logs", "broker-1").exists(), ended=process.poll)
    process.send_signal(signal.SIGINT)
    assert "Beim Start abgebrochen" in process.communicate(timeout=90)[0]
    assert all_processes(directory) == []


def test_down_while_starting_ends_everything(tmp_path):
    directory = tmp_path / "stack"
    process = up_begun(directory)
    eventually((directory / "processes.json").exists, ended=process.poll)
    assert not log_path(directory / "logs", "broker-1").exists(), "nothing was started yet"
    assert status(directory).exit_code == 10
    assert down(directory) == 0
    assert "Beim Start abgebrochen" in process.communicate(timeout=10)[0]
    assert all_processes(directory) == []


def test_after_kill_9_of_the_supervisor_nothing_is_left_and_up_works_at_once(tmp_path):
    family = tmp_path / "family"
    directory = tmp_path / "stack"
    process = up_elsewhere(directory, "stubborn", "family", family)
    known = described(directory)
    pids = [known.broker.pid, known.postgres.pid, *map(int, family.read_text().split())]
    process.kill()
    process.communicate()
    assert described(directory) == known  # stale: nobody was left to remove it
    stale = []

    class Looking(Silent):
        def phase(self, title):
            stale.append(described(directory))
            return super().phase(title)

    # Not a moment later: it waits for the keeper of the first, which holds the lock.
    options = Options(directory=directory)
    with Stack(options, BackboneAlone(), progress=Looking()) as second:
        assert stale
        assert set(stale) == {None}
        assert [pid for pid in pids if alive(pid)] == []
        assert second.description().broker.bootstrap == known.broker.bootstrap
        assert second.description().services == {}


def test_down_ends_even_a_stack_whose_supervisor_hangs(tmp_path):
    directory = tmp_path / "stack"
    process = up_elsewhere(directory)
    known = described(directory)
    process.send_signal(signal.SIGSTOP)
    assert down(directory, patience=3) == 0
    process.communicate()
    assert [pid for pid in (known.broker.pid, known.postgres.pid) if alive(pid)] == []
    assert described(directory) is None


def test_without_restart_what_ends_stays_down_and_ctrl_c_ends_the_rest(tmp_path):
    directory = tmp_path / "stack"
    process = up_elsewhere(directory, restart="no-restart")
    pid = described(directory).services["audit"].pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: status(directory).exit_code == 10)
    (ill,) = [state for state in status(directory).states if state.problem]
    assert (ill.name, ill.problem) == ("audit", "not running")
    assert described(directory).services["audit"].pid == pid
    process.send_signal(signal.SIGINT)
    assert "Wird beendet" in process.communicate(timeout=90)[0]
    assert process.returncode == 0
    assert all_processes(directory) == []
    assert described(directory) is None


def test_a_start_that_fails_leaves_nothing_running(tmp_path):
    directory = tmp_path / "stack"
    with pytest.raises(Fatal) as failed:
        Stack(Options(directory=directory), OneService("crash")).start()
    assert failed.value.code == "process-ended"
    assert all_processes(directory) == []
    assert described(directory) is None


def test_two_stacks_side_by_side_do_not_meet(stack, tmp_path):
    with Stack(Options(directory=tmp_path / "other"), BackboneAlone()) as other:
        mine, its = stack.description(), other.description()
        assert mine.broker.bootstrap != its.broker.bootstrap
        # A certificate of one is worth nothing at the other.
        stranger = DemoPki(stack.directory / "pki").broker(1)
        with pytest.raises(Unavailable):
            kafka_answers(int(its.broker.bootstrap.rsplit(":", 1)[1]), stranger)
    eventually(lambda: status(stack.directory).exit_code == 0)


def test_down_of_a_directory_where_nothing_runs_is_fine(tmp_path):
    assert down(tmp_path) == 0
    assert status(tmp_path).exit_code == 3
