"""A fault says by what it knows that it took effect; one that did nothing is a defect."""


class NoEffect(AssertionError):
    """What was to be injected did not happen: nothing was proved by surviving it."""


def demand(took_effect: object, expected: str) -> None:
    """Raise `NoEffect` unless what is demanded holds. `expected`: what should have been seen."""
    if not took_effect:
        raise NoEffect(expected)
