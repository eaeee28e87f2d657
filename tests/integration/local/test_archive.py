"""The class archive with a real Java."""

import psutil

from meldeweg.local.broker import Broker


def used(child):
    """Return what the process has mapped: files by path."""
    return {mapped.path for mapped in psutil.Process(child.pid).memory_maps()}


def test_a_broker_starts_from_the_archive(tmp_path, archive):
    with Broker(tmp_path / "with") as broker:
        assert str(archive) in used(broker.children[0])


def test_what_whoever_starts_it_adds_is_the_last_word(tmp_path, monkeypatch):
    monkeypatch.setenv("MELDEWEG_JAVA_OPTIONS", "-Xmx300m")
    (spec,) = Broker(tmp_path).prepare()
    heaps = [word for word in spec.argv if word.startswith("-Xmx")]
    assert heaps == ["-Xmx512m", "-Xmx300m"]
