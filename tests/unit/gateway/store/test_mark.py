"""A store that is gone is not a new one (docs/decisions/0029)."""

from pathlib import Path

import pytest

from meldeweg.gateway.store import Store, database, mark
from meldeweg.kernel.errors import Fatal


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
