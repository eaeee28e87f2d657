"""PostgreSQL alone: who may connect, what each role sees, as root and as an ordinary user."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest

from meldeweg.local.postgres import Postgres


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


def test_each_service_owns_a_schema_and_sees_no_other(postgres):
    with psycopg.connect(postgres.uri("audit")) as audit:
        audit.execute("CREATE TABLE leaves (n int)")
        assert audit.execute("SELECT current_schema()").fetchone() == ("audit",)
    with (
        psycopg.connect(postgres.uri("watch")) as watch,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        watch.execute("SELECT * FROM audit.leaves")


def test_no_service_may_write_where_all_can_read(postgres):
    with (
        psycopg.connect(postgres.uri("registry")) as registry,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        registry.execute("CREATE TABLE public.left_behind (n int)")


@pytest.mark.parametrize("role", ["postgres", "audit"])
def test_a_wrong_password_is_refused_even_on_the_socket(postgres, role):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.uri(role), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(postgres.uri(role).split("&passfile=")[0])


def test_nothing_listens_on_the_network(postgres):
    server = psutil.Process(postgres.children[0].pid)
    assert server.name() == "postgres"
    assert [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


def test_passwords_are_in_no_log_and_on_no_command_line(postgres):
    secrets = postgres.home.parent / "secrets"
    passwords = [(secrets / f"postgres-{role}").read_text() for role in ("postgres", "audit")]
    log = (postgres.home.parent / "logs" / "postgres.jsonl").read_text()
    server = psutil.Process(postgres.children[0].pid)
    lines = [" ".join(p.cmdline()) for p in (server, *server.children(recursive=True))]
    for password in passwords:
        assert len(password) > 30
        assert password not in log
        assert all(password not in postgres.uri(role) for role in ("postgres", "audit"))
        assert all(password not in line for line in lines)


def test_a_second_start_goes_on_with_what_was_there(tmp_path):
    with Postgres(tmp_path) as first, psycopg.connect(first.uri("audit")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    with Postgres(tmp_path) as second, psycopg.connect(second.uri("audit")) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_another_stacks_server_is_not_taken_for_a_leftover_of_this_one(postgres, tmp_path):
    """After a power cut its number may be in our lock file, and it runs as the same user."""
    mine = Postgres(tmp_path)
    mine.prepare()
    theirs = (postgres.data / "postmaster.pid").read_text()
    (mine.data / "postmaster.pid").write_text(theirs.replace(str(postgres.data), str(mine.data)))
    with mine, psycopg.connect(mine.uri("audit")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        Postgres(tmp_path).prepare()
        assert (mine.data / "postmaster.pid").exists(), "a server at work keeps its lock"


def test_a_path_too_long_for_a_socket_works_all_the_same(tmp_path):
    deep = tmp_path / ("lang-" * 12) / ("und-noch-laenger-" * 5)
    with Postgres(deep) as running:
        assert len(os.fsencode(deep)) > 107
        with psycopg.connect(running.uri("watch")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        elsewhere = Path(parse_qs(urlsplit(running.uri()).query)["host"][0])
        assert elsewhere.is_dir()
    assert not elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_root_the_server_runs_unprivileged_and_opens_no_directory(tmp_path):
    tmp_path.chmod(0o700)
    with Postgres(tmp_path) as running:
        server = psutil.Process(running.children[0].pid)
        assert 0 not in server.uids()
        with psycopg.connect(running.uri("audit")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    assert running.home.stat().st_mode & 0o777 == 0o700
