"""A store that is gone is not a new one (docs/decisions/0029)."""

import shutil
from pathlib import Path

import pytest

from meldeweg.gateway.store import Store, database, mark, meta
from meldeweg.kernel.errors import Fatal, Unavailable


@pytest.mark.parametrize("left", ["empty", "gone"])
async def test_a_store_that_is_gone_is_not_begun_anew(fresh, left):
    await started_once(fresh)
    for each in fresh.glob(f"{database.FILE}*"):
        each.unlink()
    if left == "empty":
        (fresh / database.FILE).touch()
    store = Store(fresh)
    with pytest.raises(Fatal) as refused:
        await store.start()
    await store.stop()
    assert refused.value.code == "store-gone"
    assert not connection_made(fresh)


async def test_whoever_takes_the_mark_away_begins_anew(fresh):
    await started_once(fresh)
    for each in fresh.glob("gateway.*"):
        each.unlink()
    await started_once(fresh)
    assert connection_made(fresh)


async def test_a_store_from_before_there_were_marks_gets_one(fresh):
    assert not (fresh / mark.FILE).exists()
    await started_once(fresh)
    assert (fresh / mark.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["emptied", "moved", "replaced"])
async def test_a_store_that_goes_while_it_is_open_takes_nothing_more(fresh, how):
    store = Store(fresh)
    await store.start()
    await store.write(lambda db: meta.put(db, "a", "1"))
    if how == "emptied":
        for each in fresh.iterdir():
            each.unlink()
    elif how == "moved":
        fresh.rename(fresh.with_name("away"))
    else:
        shutil.copy(fresh / database.FILE, fresh / "copy")
        (fresh / "copy").replace(fresh / database.FILE)
    with pytest.raises(Unavailable):
        await store.write(lambda db: meta.put(db, "b", "1"))
    with pytest.raises(Fatal) as ended:
        await store.watch()
    assert ended.value.code == "store-gone"
    await store.stop()
    if how == "replaced":
        await started_once(fresh)
        return
    with pytest.raises(Fatal) as refused:  # what it had accepted lies elsewhere, or nowhere
        await started_once(fresh)
    assert refused.value.code == "store-gone"


def test_a_mark_that_finds_no_room_is_none(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(Fatal) as refused:
            mark.put(tmp_path)
    assert refused.value.code == "store-unreadable"
    assert not (tmp_path / mark.FILE).exists()
    mark.put(tmp_path)
    assert b"restore it" in (tmp_path / mark.FILE).read_bytes()


def test_a_mark_that_cannot_be_left_stops_the_start(tmp_path):
    with pytest.raises(Fatal) as refused:
        mark.put(tmp_path / "nowhere")
    assert refused.value.code == "store-unreadable"


async def started_once(directory: Path) -> None:
    store = Store(directory)
    await store.start()
    await store.stop()


def connection_made(directory: Path) -> bool:
    """Tell whether a store was begun after all."""
    path = directory / database.FILE
    return path.exists() and path.stat().st_size > 0
