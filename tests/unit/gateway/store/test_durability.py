"""Kill the process, fill the disk, damage the file: what was answered is there, or it is said."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import meldeweg
from meldeweg.gateway.states import ReceivedState
from meldeweg.gateway.store import (
    Store,
    connection,
    database,
    headers,
    meta,
    outbox,
    quarantine,
    received,
    schema,
)
from meldeweg.gateway.store.schema import HEAD
from meldeweg.gateway.store.schema.__main__ import migrate
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.ids import Digest, new_message_id
from unit.gateway.gateway_rows import NOW

LOAD = Path(__file__).with_name("load.py")
SERVICES = Path(meldeweg.__file__).parents[1]


def _start(directory, *limits):
    process = subprocess.Popen(
        [sys.executable, str(LOAD), str(directory), *map(str, limits)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SERVICES)},
    )
    assert process.stdout.readline() == "ready\n"
    return process


def _kept(directory):
    reader = connection.open_reader(directory / database.FILE)
    try:
        connection.check(reader)
        return {name for (name,) in reader.execute("SELECT name FROM meta")}
    finally:
        reader.close()


def test_kill_9_under_load_loses_nothing_that_was_answered(fresh):
    answered = set()
    for _ in range(4):
        process = _start(fresh)
        time.sleep(0.4)
        process.send_signal(signal.SIGKILL)
        answered |= set(process.stdout.read().split("\n")) - {""}
        process.wait()
        process.stdout.close()
    assert len(answered) > 50
    assert answered <= _kept(fresh)


def test_a_file_that_cannot_grow_is_answered_unavailable_and_nothing_of_it_is_kept(fresh):
    process = _start(fresh, 3 * 1024 * 1024)
    answered, refused = set(), set()
    for line in process.stdout:
        match line.split():
            case ["unavailable", code, name]:
                assert code == "store-full"
                refused.add(name)
            case [name]:
                answered.add(name)
        if len(refused) > 30:
            break
    process.kill()
    answered |= {each for each in process.stdout.read().split("\n") if each and " " not in each}
    process.stdout.close()
    process.wait()
    kept = _kept(fresh)
    assert answered
    assert answered <= kept
    assert not refused & kept


@pytest.fixture
def small_disk(fresh, tmp_path):
    """A file system of 6 MiB; only root may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if not done or done.returncode != 0:
        pytest.skip("mounting a tmpfs is not allowed here")
    shutil.copytree(fresh, place / "store")
    yield place
    subprocess.run([shutil.which("umount"), "--lazy", str(place)], check=True)


async def test_a_full_disk_refuses_and_goes_on_once_there_is_space(small_disk):
    ballast = small_disk / "ballast"
    store = Store(small_disk / "store")
    await store.start()
    try:
        ballast.write_bytes(bytes(5 * 1024 * 1024))
        kept, lost, codes = set(), set(), set()
        for count in range(400):
            try:
                await store.write(lambda db, n=f"k{count}": meta.put(db, n, "x" * 20_000))
                kept.add(f"k{count}")
            except Unavailable as exc:
                codes.add(exc.code)
                lost.add(f"k{count}")
        assert codes == {"store-full"}
        ballast.unlink()
        await store.write(lambda db: meta.put(db, "again", "x" * 20_000))
        found = await store.read(lambda db: {n for (n,) in db.execute("SELECT name FROM meta")})
        assert kept | {"again"} <= found
        assert not lost & found
    finally:
        await store.stop()


async def test_a_damaged_file_stops_the_start(fresh):
    path = fresh / database.FILE
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 5] = os.urandom(4096 * 2)
    path.write_bytes(data)
    store = Store(fresh)
    with pytest.raises(Fatal) as refused:
        await store.start()
    assert refused.value.code == "store-damaged"
    await store.stop()


async def test_a_store_of_a_newer_software_is_refused(fresh):
    path = fresh / database.FILE
    with connection.open_writer(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    store = Store(fresh)
    with pytest.raises(Fatal) as refused:
        await store.start()
    assert refused.value.code == "store-newer"
    await store.stop()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nope/x", "a\0b"])
async def test_a_place_where_no_store_can_be_is_a_wrong_setting(tmp_path, place):
    (tmp_path / "file").write_text("something else")
    with pytest.raises(Fatal) as refused:  # noqa: PT012 - some are refused when constructed
        store = Store(tmp_path / place)
        await store.start()
    assert refused.value.code == "setting-invalid"
    assert refused.value.detail.startswith("store (MELDEWEG_STORE): ")


@pytest.mark.parametrize("left", ["empty", "gone"])
async def test_a_store_whose_log_alone_is_left_is_refused_and_the_log_kept(fresh, left):
    path = fresh / database.FILE
    ahead = path.with_name(f"{path.name}-wal")
    db = connection.open_writer(path)
    db.execute("CREATE TABLE accepted AS SELECT 1")
    shutil.copy(ahead, fresh / "kept")
    db.close()
    shutil.move(fresh / "kept", ahead)
    path.unlink()
    if left == "empty":
        path.touch()
    store = Store(fresh)
    with pytest.raises(Fatal) as refused:
        await store.start()
    assert refused.value.code == "store-damaged"
    assert ahead.stat().st_size > 0
    await store.stop()


async def test_a_file_that_cannot_be_touched_is_an_unreadable_store(fresh, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(Fatal) as refused:
        connection.open_writer(fresh / database.FILE)
    assert refused.value.code == "store-unreadable"


async def test_an_empty_directory_becomes_a_store_at_head_that_only_we_can_read(tmp_path):
    store = Store(tmp_path / "new")
    await store.start()
    version = store.peek(
        lambda db: db.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    )
    await store.stop()
    assert version == HEAD
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / database.FILE).stat().st_mode & 0o777 == 0o600


def test_a_migration_that_fails_halfway_leaves_the_store_as_it_was(tmp_path):
    path = tmp_path / database.FILE
    blocker = connection.open_writer(path)
    blocker.execute("CREATE TABLE outbox (other TEXT)")  # the migration meets it in its middle
    before = blocker.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall()
    with pytest.raises(Fatal) as failed:
        database.migrate(path)
    assert failed.value.code == "store-migration-failed"
    assert blocker.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall() == before
    blocker.close()


def test_migrations_are_one_line_from_the_first_to_the_head():
    """Alembic only warns of two with one number, and takes either."""
    files = sorted((Path(schema.__file__).parent / "versions").glob("v*.py"))
    line = re.compile(r"^(\w*revision) = (\S+)$", re.MULTILINE)
    told = [dict(line.findall(each.read_text())) for each in files]
    numbers = [each["revision"].strip('"') for each in told]
    assert numbers == [each.name[1:5] for each in files] == sorted(set(numbers))
    before = [each["down_revision"].strip('"') for each in told]
    assert before == ["None", *numbers[:-1]]
    assert numbers[-1] == HEAD


def test_a_store_of_the_first_release_is_brought_up_to_date_with_what_it_holds(tmp_path):
    path = tmp_path / database.FILE
    connection.open_writer(path).close()
    migrate(path, "0001")
    with connection.open_writer(path) as old:
        old.execute(
            "INSERT INTO received VALUES (1, ?2, 'polizei-viersen', ?3, 'K7M2QX', 'today', ?1, ?1,"
            " ?1, 0, ?3, 't', 7, x'00', x'01', 'opened', ?1, '2027-03-01', NULL)",
            (to_rfc3339(NOW), new_message_id(), Digest.of(b"m")),
        )
        old.execute(
            "INSERT INTO quarantine VALUES (1, ?1, 't', 7, 1, 'schema-invalid', 'polizei-viersen',"
            " 1, NULL, NULL, x'', x'01', 'd')",
            (to_rfc3339(NOW),),
        )
    old.close()
    database.migrate(path)
    with connection.open_writer(path) as new:
        (row,) = received.page(new, 0, 9)
        assert (row.state, row.retracted_at) == (ReceivedState.OPENED, None)
        assert quarantine.erase(new, NOW, NOW) == 0
        assert quarantine.erase(new, NOW, NOW + timedelta(seconds=1)) == 1
    new.close()


def test_receipts_of_the_third_version_get_an_end_and_go_on(tmp_path):
    path = tmp_path / database.FILE
    connection.open_writer(path).close()
    migrate(path, "0003")
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)  # three years later there is no such day
    with connection.open_writer(path) as old:
        old.executemany(
            "INSERT INTO outbox (topic, headers, value, size, kind, receipt, accepted_at,"
            " produced_at, topic_offset, open_until) VALUES ('t', x'', x'01', 1, ?, ?, ?, ?, ?, ?)",
            [
                ("receipt", "delivered", to_rfc3339(NOW), to_rfc3339(NOW), 0, None),
                ("receipt", "acknowledged", to_rfc3339(leap), None, None, None),
                ("message", None, to_rfc3339(NOW), None, None, to_rfc3339(NOW)),
                ("event", None, to_rfc3339(NOW), None, None, None),
            ],
        )
    old.close()
    database.migrate(path)
    with connection.open_writer(path) as new:
        ends = [row[0] for row in new.execute("SELECT open_until FROM outbox ORDER BY seq")]
        later = NOW.replace(year=NOW.year + 3)
        assert ends == [to_rfc3339(later), "2031-03-01T12:00:00.000Z", to_rfc3339(NOW), None]
        assert [row.kind for row in outbox.unproduced(new, 9, 9)] == ["receipt", "message", "event"]
        assert outbox.forget_receipts(new, later - timedelta(milliseconds=1)) == 0
        assert outbox.forget_receipts(new, later) == 1
        assert [row.kind for row in outbox.unproduced(new, 9, 9)] == ["receipt", "message", "event"]
    new.close()


def test_the_quarantine_of_the_fourth_version_is_kept_and_each_entry_came_once_so_far(tmp_path):
    path = tmp_path / database.FILE
    connection.open_writer(path).close()
    migrate(path, "0004")
    known, topic = Digest.of(b"known"), "inbox.polizei-viersen.jugendamt-kreis-viersen"
    with connection.open_writer(path) as old:
        # A record that came again was an entry of its own each time.
        old.executemany(
            "INSERT INTO quarantine (at, topic, topic_offset, timestamp, code, sender, verified,"
            " urgency, key, headers, value, digest, delete_after, erased_at) VALUES"
            " (?, ?, ?, 1, ?, 'jugendamt-kreis-viersen', 1, 'today', ?, ?, ?, ?, '2027-03-01', ?)",
            [
                (to_rfc3339(NOW), topic, n, code, key, headers.pack(()), b"v", digest, erased)
                for n, code, key, digest, erased in (
                    (7, "receipt-unmatched", b"k", known, None),
                    (8, "value-mismatch", None, Digest.of(b"erased"), to_rfc3339(NOW)),
                    (9, "receipt-unmatched", b"k", known, None),
                )
            ],
        )
        before = old.execute("SELECT * FROM quarantine ORDER BY seq").fetchall()
    old.close()
    database.migrate(path)
    with connection.open_writer(path) as new:
        rows = new.execute("SELECT * FROM quarantine ORDER BY seq").fetchall()
        assert [row[: len(before[0])] for row in rows] == before
        entries = quarantine.after(new, 0, 9)
        assert [(e.times, e.last_at, e.last_offset) for e in entries] == [(1, None, None)] * 3
        assert [e.erased_at for e in entries] == [None, NOW, None]
        record = quarantine.record(new, 1)
        later = NOW + timedelta(hours=1)
        assert record is not None
        for offset, is_new in ((7, False), (9, False), (11, True), (11, False), (12, True)):
            again = replace(record, topic_offset=offset, at=later)
            assert quarantine.insert(new, again) is is_new
        assert quarantine.insert(new, replace(record, topic_offset=13, code="value-mismatch"))
        entries = quarantine.after(new, 0, 9)
        counted = [(e.topic_offset, e.times, e.last_at, e.last_offset) for e in entries]
        assert counted == [
            (7, 1, None, None),
            (8, 1, None, None),
            (9, 3, later, 12),
            (13, 1, None, None),
        ]
        plan = new.execute(
            "EXPLAIN QUERY PLAN SELECT 1 FROM quarantine WHERE digest = ? AND topic = ?", ("d", "t")
        ).fetchall()
        assert "quarantine_record" in plan[0][-1]
    new.close()


async def test_the_log_of_changes_does_not_grow_without_limit(store, fresh):
    for _ in range(30):
        await store.write(lambda db: meta.put(db, "same", "x" * 1_000_000))
    wal = (fresh / (database.FILE + "-wal")).stat().st_size
    assert wal < 20 * 1024 * 1024


async def test_readers_can_not_write(store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(lambda db: meta.put(db, "a", "1"))


def test_a_commit_is_on_disk_before_it_is_answered_and_what_is_deleted_is_overwritten(tmp_path):
    """A killed process can't show it: the system keeps its pages. A power cut would."""
    db = connection.open_writer(tmp_path / database.FILE)
    said = [
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    db.close()
    assert said == ["wal", 2, 1]  # 2 is FULL
