import hashlib
import shutil
import sys
from types import SimpleNamespace

import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.local import jars
from meldeweg.local.broker import Broker
from meldeweg.local.deploy import deployed
from meldeweg.local.jars import KAFKA, broker_jars, cache_directory, jars_again, read_manifest


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
    assert jars_again(cache, manifest) == broker_jars(cache, manifest)


def test_a_broker_that_is_started_again_has_its_jars_checked_and_none_fetched(
    tmp_path, cache, manifest, monkeypatch
):
    monkeypatch.setattr(jars, "deployed", lambda *_: manifest)
    monkeypatch.setattr(Broker, "_format_storage", lambda *_: None)
    (spec,) = Broker(tmp_path / "stack", cache=cache).prepare()
    assert spec.again() == spec.argv
    changed(cache / f"kafka-{KAFKA}")
    with pytest.raises(Fatal, match="broker-jar-changed"):
        spec.again()
    shutil.rmtree(cache / f"kafka-{KAFKA}")
    with pytest.raises(Fatal, match="broker-jar-changed"):
        spec.again()


def test_the_key_store_in_the_brokers_memory_is_filled_in_one_round(
    tmp_path, cache, manifest, monkeypatch
):
    monkeypatch.setattr(jars, "deployed", lambda *_: manifest)
    monkeypatch.setattr(Broker, "_format_storage", lambda *_: None)
    (spec,) = Broker(tmp_path / "stack", cache=cache).prepare()
    before_the_class = spec.argv[: spec.argv.index("kafka.Kafka")]
    assert "-Dkeystore.pkcs12.keyPbeIterationCount=1" in before_the_class


def changed(directory):
    (directory / "a.jar").write_bytes(b"firsT")


def missing(directory):
    (directory / "b.jar").unlink()


def additional(directory):
    (directory / "c.jar").write_bytes(b"third")


def a_directory(directory):
    (directory / "a.jar").unlink()
    (directory / "a.jar").mkdir()


def a_link_to_nowhere(directory):
    (directory / "a.jar").unlink()
    (directory / "a.jar").symlink_to(directory / "gone.jar")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (changed, "a.jar"),
        (missing, "b.jar"),
        (additional, "c.jar"),
        (a_directory, "a.jar"),
        (a_link_to_nowhere, "a.jar"),
    ],
)
def test_a_jar_that_is_not_as_listed_stops_the_start_and_is_named(
    cache, manifest, offline, tamper, named
):
    tamper(cache / f"kafka-{KAFKA}")
    with pytest.raises(Fatal) as refused:
        broker_jars(cache, manifest)
    assert refused.value.code == "broker-jar-changed"
    assert named in refused.value.detail
    with pytest.raises(Fatal, match="broker-jar-changed") as again:
        jars_again(cache, manifest)
    assert again.value.detail == refused.value.detail


@pytest.fixture
def maven(tmp_path, monkeypatch):
    """A user's Maven cache with both jars, and a jgo that takes them from there."""
    made = [tmp_path / "m2" / "org" / name / "1.0" / f"{name}.jar" for name in "ab"]
    for path, content in zip(made, (b"first", b"second"), strict=True):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    found = SimpleNamespace(repo_cache=tmp_path / "m2")
    jgo = SimpleNamespace(
        build=lambda **_: SimpleNamespace(all_jars=[path for path in made if path.exists()]),
        config=SimpleNamespace(GlobalSettings=SimpleNamespace(load=lambda: found)),
    )
    monkeypatch.setitem(sys.modules, "jgo", jgo)
    return made


def test_a_jar_that_the_maven_cache_has_wrong_is_named_where_it_lies(tmp_path, manifest, maven):
    maven[0].write_bytes(b"firsT")
    cache = tmp_path / "cache"
    with pytest.raises(Fatal) as refused:
        broker_jars(cache, manifest)
    assert refused.value.code == "broker-jar-changed"
    assert f"remove {maven[0]} to have" in refused.value.detail
    assert "b.jar" not in refused.value.detail
    assert str(cache) not in refused.value.detail  # nothing is left there to be removed
    assert [each.suffix for each in cache.iterdir()] == [".lock"]
    maven[0].write_bytes(b"first")  # as it is after what the message asks for
    assert [jar.name for jar in broker_jars(cache, manifest)] == ["a.jar", "b.jar"]


def test_a_jar_that_is_not_wrong_in_the_maven_cache_is_not_said_to_lie_there(
    tmp_path, manifest, maven
):
    maven[0].unlink()
    with pytest.raises(Fatal) as refused:
        broker_jars(tmp_path / "cache", manifest)
    assert refused.value.code == "broker-jar-changed"
    assert "a.jar" in refused.value.detail
    assert "the repository gave it" in refused.value.detail
    assert "remove" not in refused.value.detail


def test_jgo_says_where_its_maven_cache_is(tmp_path, monkeypatch):
    import jgo

    monkeypatch.setenv("M2_REPO", str(tmp_path))
    assert jgo.config.GlobalSettings.load().repo_cache == tmp_path


def test_the_committed_list_is_of_one_version_of_kafka_and_no_other():
    """Resolved carelessly, the broker runs on kafka-clients of another release."""
    kafka = [n for n in read_manifest(deployed("broker", "jars.sha256")) if n.startswith("kafka")]
    assert len(kafka) > 10
    assert {name.rsplit("-", 1)[1] for name in kafka} == {f"{KAFKA}.jar"}


def test_a_cache_named_by_a_relative_path_is_found_from_every_directory(monkeypatch, tmp_path):
    """The broker runs in another directory than the one who started it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELDEWEG_CACHE", "here")
    assert cache_directory() == tmp_path / "here"
