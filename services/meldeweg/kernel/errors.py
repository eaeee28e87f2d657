"""The three outcomes every handler chooses between, knowingly.

`Refused`: the thing at hand is wrong and will stay wrong (quarantine the record, answer 4xx).
`Unavailable`: the surroundings are not ready (retry; nothing is lost meanwhile).
`Fatal`: this process must not go on (wrong setting, forked log, another instance holds the lock).

`code` is stable and documented; `detail` is for people and never carries content of a message.
"""


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
