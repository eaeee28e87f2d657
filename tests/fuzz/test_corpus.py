"""The kept corpus goes through every parser of foreign bytes; `make fuzz` looks for more."""

import importlib.util

import pytest

from fuzz import harness
from fuzz.harness import CORPUS, DEFECTS, Target, keep_defects, kept
from fuzz.mutate import mutate
from fuzz.targets import TARGETS
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Refused

ATHERIS = importlib.util.find_spec("atheris") is not None


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_kept_input_makes_a_parser_do_what_it_does_not_state(name):
    target = TARGETS[name]
    accepted = [target.run(data) for data in target.seeds()]
    assert any(accepted), "a target that accepts nothing looks at nothing"
    inputs = kept(name)
    assert inputs, "make fuzz keeps some"
    for data in (*inputs, b"", b"\x00", b"\xff" * 64, b"[" * 5000):
        target.run(data)


def test_every_corpus_belongs_to_a_target_and_is_small():
    assert {path.stem for path in CORPUS.iterdir()} == set(TARGETS)
    assert {path.stem for path in DEFECTS.iterdir()} <= set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 4_000_000


def test_what_once_showed_a_defect_is_kept_beside_what_others_found(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "DEFECTS", tmp_path)
    keep_defects("cursor", {b"one"})
    keep_defects("cursor", {b"\xff", b"one"})
    keep_defects("cursor", set())
    assert set(kept("cursor")) >= {b"one", b"\xff"}
    assert sum(1 for each in kept("cursor") if each == b"one") == 1
    keep_defects("topic", set())
    assert [path.name for path in tmp_path.iterdir()] == ["cursor.jsonl"]


def test_a_mistake_in_a_parser_is_found_by_its_kept_inputs(monkeypatch):
    """The control: base64url whose last bits may be anything, so that one value has two texts."""
    every = bytes(range(256))
    monkeypatch.setattr(strictjson, "_LAST", (b"", b"", every, every))
    target = TARGETS["base64url"]

    def all_of_them():
        return [target.run(data) for data in (*target.seeds(), *kept("base64url"), b"AB")]

    with pytest.raises(AssertionError):
        all_of_them()


@pytest.mark.parametrize(
    "outcome", [ValueError("x"), KeyError("x"), Refused("No Code"), Refused("a", "x" * 3000)]
)
def test_what_a_parser_does_not_state_is_a_defect(outcome):
    def parse(data):
        raise outcome

    with pytest.raises((AssertionError, type(outcome))):
        Target("x", parse, list, (Refused,), "bytes").run(b"")


def test_mutations_keep_the_outer_form_most_of_the_time():
    """Else nothing behind a strict parser would be reached, and a campaign would prove little."""
    for name in ("context", "trust", "statement"):
        target = TARGETS[name]
        seed = target.seeds()[-1]
        bent = {mutate(target.shape, seed, 4096, n, lambda data, size: data) for n in range(400)}
        assert len(bent) > 50
        outcomes = [_outcome(target, data) for data in bent]
        assert sum(code != "json-malformed" for code in outcomes) > len(outcomes) / 2


def _outcome(target, data):
    try:
        target.parse(data)
    except Refused as exc:
        return exc.code
    return "accepted"


@pytest.mark.skipif(not ATHERIS, reason="atheris is installed by `make fuzz` alone")
@pytest.mark.timeout(200)
def test_the_campaign_finds_a_planted_mistake(tmp_path):
    from fuzz import campaign

    found = campaign.fuzz("base64url", 60, tmp_path, planted=True)
    assert found.crashes
