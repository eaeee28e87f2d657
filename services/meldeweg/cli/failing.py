"""How a failure ends: one line for people, or JSON, on stderr, and the exit code of API.md.

Guarantees: the line holds codes and the catalogue's or our own words, nothing of a message.
"""

import json
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from meldeweg.client.errors import GatewayError, Problem
    from meldeweg.kernel.errors import MeldewegError

_USED_WRONG = {
    "stack-in-use",
    "district-changed",
    "district-unknown",
    "directory-foreign",
    "directory-unusable",
}
_WRONG_USE: Any = typer.BadParameter.__base__  # of every wrong use; Typer has no name for it


class Exit(IntEnum):
    """Exit codes of the command line (API.md)."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNHEALTHY = 10


def explained(exc: Exception, *, as_json: bool) -> int:
    """Say on stderr what went wrong and return the exit code."""
    # Loaded here: only a failure needs to know all kinds of failures.
    from meldeweg.client.errors import GatewayError  # noqa: PLC0415 - see above
    from meldeweg.kernel.errors import MeldewegError  # noqa: PLC0415 - see above

    if isinstance(exc, GatewayError):
        code, said, text = _of_gateway(exc)
    elif isinstance(exc, MeldewegError):
        code, said, text = _of_ours(exc), exc.code, _in_words(exc)
    elif isinstance(exc, typer.Abort):
        code, said, text = Exit.FAILED, "aborted", "Abgebrochen / aborted"
    elif isinstance(exc, _WRONG_USE):
        code, said, text = Exit.USAGE, "usage", f"Falscher Aufruf / usage: {exc.format_message()}"
    elif isinstance(exc, TimeoutError):
        code, said, text = Exit.FAILED, "timed-out", f"Zeit abgelaufen / timed out: {exc}"
    elif isinstance(exc, OSError) and exc.strerror:  # a full disk, a closed pipe, no right
        place = f": {exc.filename}" if exc.filename else ""
        text = f"Lesen oder Schreiben ging nicht / could not read or write: {exc.strerror}{place}"
        code, said = Exit.FAILED, "input-output"
    else:
        kind = f"{type(exc).__module__}.{type(exc).__qualname__}"
        text = f"Unerwartet / unexpected: {kind} (_MELDEWEG_TRACEBACK=1 zeigt mehr)"
        code, said = Exit.UNHEALTHY, "unexpected"
    if as_json:
        problem = getattr(exc, "members", None)  # a gateway's: rule, whom to call, pointers
        found = {"error": said, "text": text, "exit": int(code)}
        text = json.dumps(found | ({"problem": problem} if problem else {}), ensure_ascii=False)
    sys.stderr.write(f"{text}\n")
    return int(code)


def _in_words(exc: "MeldewegError") -> str:
    """Return code and facts, and what the code means in German if it has a sentence."""
    from meldeweg.cli import refusals  # noqa: PLC0415 - only a failure needs it

    sentence = refusals.german(exc.code)
    return f"{exc} ({sentence})" if sentence else str(exc)


def _of_gateway(exc: "GatewayError") -> tuple[Exit, str, str]:
    from meldeweg.client import errors  # noqa: PLC0415 - loaded already by whoever raised it

    match exc:
        case errors.Problem():
            code = Exit.UNREACHABLE if exc.status == 503 else Exit.FAILED
            return code, exc.code, _problem(exc)
        case errors.Unreachable():
            text = f"Das Gateway ist nicht erreichbar / not reachable: {exc}"
            return Exit.UNREACHABLE, exc.code, text
        case _:
            text = f"Unverständliche Antwort / unexpected answer: {exc}"
            return Exit.UNHEALTHY, exc.code, text


def _of_ours(exc: "MeldewegError") -> Exit:
    from meldeweg.kernel import errors  # noqa: PLC0415 - loaded already by whoever raised it

    match exc:
        case errors.Refused():
            named_wrong = exc.code.endswith("-not-named") or exc.code in _USED_WRONG
            return Exit.USAGE if named_wrong else Exit.FAILED
        case errors.Unavailable():
            return Exit.UNREACHABLE
        case _ if exc.code.startswith("key-file-") or exc.code == "district-malformed":
            return Exit.FAILED  # for a service fatal; here a file that somebody named
        case _:
            named_wrong = exc.code.startswith("setting-") or exc.code in _USED_WRONG
            return Exit.USAGE if named_wrong else Exit.UNHEALTHY


def _problem(exc: "Problem") -> str:
    lines = [f"{exc.title} [{exc.code}]", exc.detail]
    if exc.rule:
        lines.append(f"Regel: {exc.rule_text or exc.rule}")
    lines += [f"  {pointer or '/'}: {rule}" for pointer, rule in exc.errors]
    # What the gateway's text points at ("unter scope steht …").
    lines += [f"{name}: {one}" for name in ("scope", "reason") if (one := getattr(exc, name))]
    if exc.responsible:
        lines.append(f"Zuständig: {exc.responsible}")
    if exc.call:
        note = f" ({exc.call.note})" if exc.call.note else ""
        lines.append(f"Anrufen: {exc.call.office}, {exc.call.phone or 'ohne Nummer'}{note}")
    return "\n".join(line for line in lines if line)
