"""The words of a command, as tests call it."""

import sys

MELDEWEG = (sys.executable, "-m", "meldeweg.cli")


def sending(content, *more):
    return ("send", content, "--person", "P-4711", "--place", "Grefrath", *more)
