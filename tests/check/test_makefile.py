"""What a target takes from the environment is not overwritten by the Makefile's own variables: make
hands a variable of its own to its commands where the environment has one of that name."""

import re
from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
OWN = set(re.findall(r"^([A-Z]+) :?= ", MAKEFILE, re.MULTILINE))
TAKEN = {
    word
    for target in ("bench", "faults")
    for line in re.findall(rf"^{target}:.*##(.*)$", MAKEFILE, re.MULTILINE)
    for word in re.findall(r"\b[A-Z]{4,}\b", line)
}


def test_no_variable_of_the_makefile_has_the_name_of_a_setting():
    assert {"ROWS", "MESSAGES", "SEED"} <= TAKEN
    assert OWN & (TAKEN | {"QUICK", "OUT", "PAGE"}) == set()
    assert "BIN" in OWN
