"""The three outcomes every handler chooses between, knowingly.

`Refused`: the thing at hand is wrong and will stay wrong (quarantine the record, answer 4xx).
`Unavailable`: the surroundings are not ready (retry; nothing is lost meanwhile).
`Fatal`: this process must not go on (wrong setting, forked log, another instance holds the lock).

`code` is stable and documented; `detail` is for people and never carries content of a message.
"""

import re
from typing import Any

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CODE_MAX = 60  # characters
_DETAIL_MAX = 500


def foreign_code(said: Any, otherwise: str) -> str:
    """Return the code that another service's answer names, or `otherwise` if it can be none."""
    fits = isinstance(said, str) and len(said) <= _CODE_MAX and _CODE.fullmatch(said)
    return said if fits else otherwise


def foreign_detail(said: Any) -> str:
    """Return the detail of another service's answer; none that would steer a terminal."""
    fits = isinstance(said, str) and len(said) <= _DETAIL_MAX and said.isprintable()
    return said if fits else ""


class MeldewegError(Exception):
    """Base of the three outcomes. `code`: stable, kebab-case. `detail`: free of content."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Refused(MeldewegError):
    """Wrong for good: never retried, always recorded with its code."""


class Early(Refused):
    """Not acceptable *yet*: my view lacks a key, an agreement, a schema or an original (I6).

    A consumer parks such a record for a bounded time; once that is over it is a plain refusal.
    """


class Unavailable(MeldewegError):
    """Could not be decided or done now; the same call may succeed later."""


class Fatal(MeldewegError):
    """This process must stop; the supervisor or an operator has to act."""


class WrongSetting(Fatal):
    """A setting, or what lies where it says, is wrong, and that showed only after wiring.

    The process ends with the exit code of every wrong setting; `detail` names it (`settings.said`).
    """
