"""The commands of the local stack and the demonstration, when something is wrong."""

import tempfile

import pytest

from meldeweg import local
from meldeweg.demo import run as story


@pytest.mark.parametrize("command", [("local", "up", "--dir", "nowhere"), ("demo",)])
def test_two_brokers_are_refused_and_not_taken_for_one(run, monkeypatch, command):
    def never(*arguments, **named):
        raise AssertionError("started")

    monkeypatch.setattr(local, "up", never)
    monkeypatch.setattr(story, "run", never)
    code, out, err = run(*command, "--brokers", "2", at=None)
    assert (code, out) == (2, "")
    assert "--brokers" in err


def test_a_district_that_is_none_is_a_wrong_call(run, tmp_path):
    order = ("local", "up", "--dir", str(tmp_path / "new"), "--district", "nirgends")
    code, out, err = run(*order, at=None)
    assert (code, out) == (2, "")
    assert "kreis-viersen" in err


def test_a_stack_that_does_not_run_is_said_so(run, tmp_path):
    code, out, err = run("local", "status", "--dir", str(tmp_path), at=None)
    assert (code, out) == (3, "")
    assert "läuft nicht" in err


@pytest.mark.parametrize(("code", "stays"), [(0, False), (1, True)])
def test_a_demonstration_that_ended_well_leaves_no_keys_behind(
    run, monkeypatch, tmp_path, code, stays
):
    places = []

    def played(place, district, *, once, brokers, passing):
        places.append(place)
        (place / "key.jwk").touch()
        return code

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(story, "run", played)
    assert run("demo", "--once", at=None)[0] == code
    assert places[0].exists() == stays
