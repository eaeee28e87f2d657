"""The vectors of the law table are what the code says, and there is one for each rule."""

import json

from meldeweg.kernel.policy import Rule
from vectors import make_policy

# Those of the sender's own routing, which no recipient judges.
ROUTING = {Rule.NO_AGREEMENT, Rule.AMBIGUOUS}


def test_the_committed_vectors_are_what_the_code_decides():
    assert make_policy.FILE.read_text(encoding="utf-8") == make_policy.text()


def test_each_rule_that_a_recipient_judges_has_its_case():
    cases = json.loads(make_policy.FILE.read_text(encoding="utf-8"))["cases"]
    assert {case["is"].get("rule") for case in cases} - {None} == set(Rule) - ROUTING
