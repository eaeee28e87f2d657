"""The jars, fetched as on a fresh machine."""

import pytest

from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local.jars import broker_jars


def test_a_fresh_machine_gets_exactly_the_jars_of_the_list(tmp_path):
    try:
        fetched = broker_jars(tmp_path)
    except Unavailable as exc:
        pytest.skip(f"the repository is out of reach: {exc}")
    assert len(fetched) == 46
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in fetched)
    assert {path.name for path in tmp_path.iterdir()} == {"kafka-4.3.1", "kafka-4.3.lock"}


def test_what_was_fetched_but_is_not_on_the_list_is_not_kept(tmp_path):
    manifest = tmp_path / "jars.sha256"
    manifest.write_text("0" * 64 + "  kafka-clients-4.3.1.jar\n")
    with pytest.raises((Fatal, Unavailable)) as refused:
        broker_jars(tmp_path / "cache", manifest)
    if refused.value.code == "broker-jars-unreachable":
        pytest.skip("the repository is out of reach")
    assert refused.value.code == "broker-jar-changed"
    assert not (tmp_path / "cache" / "kafka-4.3.1").exists()
