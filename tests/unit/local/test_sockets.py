import os
from pathlib import Path

import pytest

from meldeweg.local.sockets import SocketDirectory


def deep(base):
    path = base / ("tief-" * 20)
    path.mkdir(parents=True)
    return path


def fits(path):
    return len(os.fsencode(path / ".s.PGSQL.5432.lock")) <= 107


@pytest.fixture
def short():
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


def test_a_short_directory_holds_its_own_sockets(short):
    made = SocketDirectory(short).create()
    assert made == short / "run"
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_long_one_gets_a_private_place_elsewhere_that_is_remembered(short):
    directory = deep(short)
    first = SocketDirectory(directory)
    made = first.create()
    assert fits(made)
    assert made.stat().st_mode & 0o777 == 0o700
    assert SocketDirectory(directory).create() == made
    first.remove()
    assert not made.exists()


def test_a_remembered_place_that_others_may_enter_is_not_used_again(short):
    directory = deep(short)
    made = SocketDirectory(directory).create()
    made.chmod(0o755)
    again = SocketDirectory(directory)
    try:
        assert again.create() != made
    finally:
        again.remove()
        made.rmdir()


def test_a_link_in_the_place_of_the_remembered_one_is_not_followed(short):
    directory = deep(short)
    made = SocketDirectory(directory).create()
    made.rmdir()
    target = short / "somebody-elses"
    target.mkdir(mode=0o700)
    made.symlink_to(target)
    again = SocketDirectory(directory)
    try:
        assert again.create() != made
    finally:
        again.remove()
        made.unlink()
