import hashlib
import sys
from types import SimpleNamespace

import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.local.deploy import deployed
from meldeweg.local.jars import KAFKA, broker_jars, read_manifest


@pytest.fixture
def cache(tmp_path):
    """A cache as a first start leaves it, with two small jars instead of 46."""
    directory = tmp_path / "cache" / f"kafka-{KAFKA}"
    directory.mkdir(parents=True)
    for name, content in {"a.jar": b"first", "b.jar": b"second"}.items():
        (directory / name).write_bytes(content)
    return tmp_path / "cache"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "jars.sha256"
    lines = {"a.jar": b"first", "b.jar": b"second"}
    path.write_text("".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in lines.items()))
    return path


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setitem(sys.modules, "jgo", None)  # importing it would raise


def test_a_second_start_needs_neither_network_nor_jgo(cache, manifest, offline):
    assert [jar.name for jar in broker_jars(cache, manifest)] == ["a.jar", "b.jar"]


def changed(directory):
    (directory / "a.jar").write_bytes(b"firsT")


def missing(directory):
    (directory / "b.jar").unlink()


def additional(directory):
    (directory / "c.jar").write_bytes(b"third")


@pytest.mark.parametrize(
    ("tamper", "named"), [(changed, "a.jar"), (missing, "b.jar"), (additional, "c.jar")]
)
def test_a_jar_that_is_not_as_listed_stops_the_start_and_is_named(
    cache, manifest, offline, tamper, named
):
    tamper(cache / f"kafka-{KAFKA}")
    with pytest.raises(Fatal) as refused:
        broker_jars(cache, manifest)
    assert refused.value.code == "broker-jar-changed"
    assert named in refused.value.detail


def test_a_jar_that_the_maven_cache_has_wrong_is_said_to_lie_there(tmp_path, manifest, monkeypatch):
    made = tmp_path / "m2" / "a.jar"
    made.parent.mkdir()
    made.write_bytes(b"firsT")
    other = made.with_name("b.jar")
    other.write_bytes(b"second")
    jgo = SimpleNamespace(build=lambda **_: SimpleNamespace(all_jars=[made, other]))
    monkeypatch.setitem(sys.modules, "jgo", jgo)
    cache = tmp_path / "cache"
    with pytest.raises(Fatal) as refused:
        broker_jars(cache, manifest)
    assert refused.value.code == "broker-jar-changed"
    assert "a.jar" in refused.value.detail
    assert ".m2/repository" in refused.value.detail
    assert str(cache) not in refused.value.detail  # nothing is left there to be removed
    assert [each.suffix for each in cache.iterdir()] == [".lock"]


def test_the_committed_list_is_of_one_version_of_kafka_and_no_other():
    """Resolved carelessly, the broker runs on kafka-clients of another release."""
    kafka = [n for n in read_manifest(deployed("broker", "jars.sha256")) if n.startswith("kafka")]
    assert len(kafka) > 10
    assert {name.rsplit("-", 1)[1] for name in kafka} == {f"{KAFKA}.jar"}
