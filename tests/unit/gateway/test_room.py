"""Room for one more message: what no other test of intake reaches."""

import pytest

from meldeweg.gateway.room import Room
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.kernel.errors import Unavailable


def test_a_store_whose_directory_is_away_takes_nothing(tmp_path):
    directory = tmp_path / "store"
    directory.mkdir()
    room = Room(directory, OutboxSettings(free_min=0), lambda: 0)
    assert room.missing() is None
    directory.rmdir()
    assert room.missing() == "store-full"
    with pytest.raises(Unavailable, match="store-full"):
        room.look(1)
