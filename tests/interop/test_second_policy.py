"""The covering function of message.md § 12, written from that page alone: the same clause, the same
deadline, the same refusal."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from districts import RHEIN_ERFT, VIERSEN, document_bytes
from meldeweg.kernel import agreement
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency
from vectors.make_policy import judge

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/policy.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / VECTORS["agreement"]).read_text(encoding="utf-8")
HOLIDAYS = (ROOT / "services/meldeweg/kernel/holidays.json").read_bytes()
STRANGER, ELSEWHERE = "jugendamt-fremdstadt", "05162004"
AROUND = (-1441, -1440, -20, 5, 6)  # minutes from which a call counts, and does not


def decided(second, document, facts):
    said = second.ask("policy", Text=document, Key=json.dumps(facts).encode(), Value=HOLIDAYS)
    assert said["ok"], said
    return json.loads(said["text"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_it_decides_as_the_vectors_say(second, case):
    assert decided(second, DOCUMENT, VECTORS["base"] | case["change"]) == case["is"]


@pytest.mark.parametrize("district", [VIERSEN, RHEIN_ERFT])
def test_it_decides_as_we_do_whatever_the_facts(second, district):
    """Facts drawn at random (from a fixed seed), sensible and absurd ones alike."""
    data = document_bytes(district)
    document, rng = agreement.parse(data), random.Random(8)
    rules, clauses = set(), set()
    for _ in range(500):
        facts = drawn(rng, document)
        ours = json.loads(json.dumps(judge(data, facts)))
        assert (facts, decided(second, data.decode(), facts)) == (facts, ours)
        rules.add(ours.get("rule"))
        clauses.update(ours.get("clauses", ()))
    assert len(rules) >= 10
    assert len(clauses) >= 4


def drawn(rng, document):
    agencies = [party.agency for party in document.parties]
    one, other = rng.sample(agencies, 2) if rng.random() < 0.95 else (agencies[0], STRANGER)
    ways = [(one, other)] * 4 + [(other, one)] * 4 + [(one, one)]
    from_, to = rng.choice(ways)
    before, after = rng.choice(ways)
    first, last = document.term.first, document.term.until or date(2031, 1, 1)
    day = first + timedelta(days=rng.randint(-9, (last - first).days + 500))
    at = datetime(day.year, day.month, day.day, rng.randint(0, 23), rng.randint(0, 59), tzinfo=UTC)
    towns = [*document.municipalities, ELSEWHERE]
    places = {name: rng.choice(towns) for name in rng.sample(["place", "residence"], 2)}
    if rng.random() < 0.5:
        places.popitem()
    kind = pick(rng, MessageType) if rng.random() < 0.9 else None
    original = {"from": before, "to": after, "type": kind}
    original["exercise"] = rng.random() < 0.2
    return {
        "at": to_rfc3339(at),
        "signed": rng.random() < 0.97,
        "from": from_,
        "to": to,
        "type": pick(rng, MessageType),
        "grounds": some(rng, Ground, 2),
        "data_categories": some(rng, DataCategory, 3),
        "labels": rng.random() < 0.7,
        "entrusted": rng.choice([None, pick(rng, Entrusted)]),
        "places": rng.choice([None, places]),
        "handover_at": rng.choice([None, to_rfc3339(at + timedelta(minutes=rng.choice(AROUND)))]),
        "urgency": rng.choice([None, pick(rng, Urgency)]),
        "override": rng.random() < 0.3,
        "exercise": rng.random() < 0.2,
        "original": rng.choice([None, *[original] * 4]),
    }


def pick(rng, words):
    return rng.choice(list(words)).value


def some(rng, words, most):
    return rng.sample([each.value for each in words], rng.randint(0, most))
