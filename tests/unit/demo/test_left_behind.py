"""What the demonstration made for itself holds every private key: it goes, or is named."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from meldeweg.cli import demo as command
from meldeweg.demo import run as demonstration
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.local.supervisor import Interrupted

BEFORE = Refused("district-not-named", "")  # nothing was made yet


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """Run the command with a story that ends as told; returns (result, where it was played)."""
    monkeypatch.setattr(command.tempfile, "mkdtemp", lambda prefix: str(_made(tmp_path)))

    def run(how, *arguments):
        places, told = [], []

        def play(place, district, *, once, brokers, passing):
            places.append(place)
            told.append(passing)
            if how != BEFORE:
                (place / "key.jwk").write_text("{}")
            if isinstance(how, int):
                return how
            raise how

        monkeypatch.setattr(demonstration, "run", play)
        result = CliRunner().invoke(command.app, arguments)
        if how == 0:  # the story told whether its directory stays; so it was
            assert told == [not places[0].exists()]
        return result, places[0]

    return run


def _made(tmp_path: Path) -> Path:
    place = tmp_path / "made"
    place.mkdir()
    return place


def test_interrupted_while_starting_nothing_is_left(ended):
    result, place = ended(Interrupted(), "--once")
    assert (result.exit_code, place.exists()) == (1, False)
    assert "abgebrochen" in result.output


def test_refused_before_anything_began_nothing_is_left(ended):
    result, place = ended(BEFORE, "--once")
    assert isinstance(result.exception, Refused)
    assert not place.exists()


def test_after_a_story_that_held_nothing_is_left(ended):
    result, place = ended(0, "--once")
    assert (result.exit_code, place.exists()) == (0, False)


@pytest.mark.parametrize("once", [("--once",), ()])
def test_what_the_story_tells_of_a_directory_is_what_becomes_of_it(ended, tmp_path, once):
    given = tmp_path / "given"
    given.mkdir()
    assert ended(0, *once, "--dir", str(given))[1].exists()
    assert ended(0, *once)[1].exists() == (not once)


@pytest.mark.parametrize(
    "how", [1, Unavailable("process-not-ready", ""), Fatal("process-ended", ""), Refused("x", "")]
)
def test_after_a_failure_it_is_kept_and_named(ended, how):
    result, place = ended(how, "--once")
    assert result.exit_code != 0
    assert place.exists()
    assert str(place) in result.output.replace("\n", "")


def test_a_directory_that_was_given_stays(ended, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    result, place = ended(Interrupted(), "--once", "--dir", str(given))
    assert (result.exit_code, place) == (1, given)
    assert (given / "key.jwk").exists()
