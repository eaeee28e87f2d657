"""The covering function of message.md § 12, written from that page alone: the same clause, the same
deadline, the same refusal."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/policy.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / VECTORS["agreement"]).read_text(encoding="utf-8")
HOLIDAYS = (ROOT / "services/meldeweg/kernel/holidays.json").read_bytes()


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_it_decides_as_the_vectors_say(second, case):
    facts = json.dumps(VECTORS["base"] | case["change"]).encode()
    said = second.ask("policy", Text=DOCUMENT, Key=facts, Value=HOLIDAYS)
    assert said["ok"], said
    assert json.loads(said["text"]) == case["is"]
