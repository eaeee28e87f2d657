"""JSON lines on stderr into which neither content nor secrets can get.

Guarantees: only fields of the allow-list pass, each only in its form; an exception is logged as its
types, our stable codes and file:line, never by its message (a foreign message may quote content);
a library's record is logged by its template and only if that is a literal in its source, and the
same place of a library at most once in ten seconds, with how often it spoke meanwhile: a Kafka
client without a broker complains some hundred times a second (I7). A line that can't be written (a
full disk, a closed pipe) is counted and breaks nothing of what logged it.
Trusts: that an event's name and our own `Fatal` and `Unavailable` details are free of content.

Strict (tests, demo) an unknown field raises; otherwise it is dropped, named and counted.
"""

import contextlib
import json
import logging
import math
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from types import FrameType, TracebackType
from typing import Any, cast

import structlog

from meldeweg.kernel import logfile
from meldeweg.kernel.clock import Clock, SystemClock, to_rfc3339
from meldeweg.kernel.errors import Fatal, MeldewegError, Unavailable
from meldeweg.kernel.metrics import counter

Form = re.Pattern[str] | type[int] | type[float] | type[bool]
Logger = structlog.typing.FilteringBoundLogger
_Spot = tuple[str, int, type[BaseException] | None]  # where in a library, and which exception

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,60}")
_CODE = re.compile(r"(?!.{61})[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,249}")  # topics, groups, parts, types, hosts; no blanks
_LOGGER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")  # a module's name, as libraries take it
_QUIET = 10.0  # seconds between two lines of the same place of a library
_FRAMES = 12  # of the innermost; enough to find the place

_refused = counter("log_fields_refused", "Log fields dropped because the allow-list lacks them")
_unwritten = counter("log_lines_unwritten", "Log lines that found no room when they were written")
_writing = threading.RLock()  # a finaliser may log while its own thread does
_allowed: dict[str, Form] = {}


class FieldRefused(TypeError):
    """A log call passed a field that is not allowed, or not in its form: a mistake in our code."""


def allow(**forms: Form) -> None:
    """Allow fields, at import of the module that logs them: a type, or a pattern for text.

    A pattern must keep out free text. The same name always has the same form.
    """
    for name, form in forms.items():
        if _allowed.setdefault(name, form) != form:
            raise TypeError(f"log field {name} already has another form")


allow(
    service=_NAME,
    version=_NAME,
    mode=_NAME,
    part=_NAME,
    url=re.compile(r"https?://[A-Za-z0-9_.:\[\]-]{1,262}"),  # a host of 253, brackets, a port
    code=_CODE,
    outcome=_CODE,
    failpoint=_NAME,
    action=_NAME,
    topic=_NAME,
    partition=int,
    offset=int,
    group=_NAME,
    subscription=_NAME,
    message_id=re.compile(r"[0-9a-f-]{36}"),
    agency=re.compile(r"[a-z0-9-]{1,240}"),
    digest=re.compile(r"[0-9a-f]{64}"),
    key_id=re.compile(r"[A-Za-z0-9_-]{43}"),
    kennzeichen=re.compile(r"[0-9A-HJKMNP-TV-Z]{6}"),
    count=int,
    attempt=int,
    seconds=float,
    signal=_NAME,
)  # fmt: skip - one line per subject


def get() -> Logger:
    """Return the logger: `log.info("message_sealed", message_id=...)`, a name and facts."""
    return cast("Logger", structlog.get_logger())


def configure(
    *, service: str, strict: bool, level: int = logging.INFO, clock: Clock | None = None
) -> None:
    """Set up our and the libraries' logging for this process; the last call wins."""
    chain = _Chain(service=service, strict=strict, clock=clock or SystemClock())
    structlog.configure(
        processors=[chain],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Writer,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Libraries(chain)]
    root.setLevel(logging.WARNING)
    take_over()
    logging.captureWarnings(capture=True)


def catch_uncaught() -> None:
    """Write what nobody caught as our lines too: in any thread, and in a finaliser.

    Python's own hooks print the exception's text, and it may hold anything. Once for each process.
    """
    sys.excepthook = _uncaught
    threading.excepthook = _in_a_thread
    sys.unraisablehook = _in_a_finaliser


def take_over() -> None:
    """Lead what libraries log through our handler, also where one brought a handler of its own.

    To be called again after the import of a library that sets up its logging then.
    """
    for each in logging.root.manager.loggerDict.values():
        if isinstance(each, logging.Logger):
            each.handlers.clear()
            each.propagate = True


def flush() -> None:
    """Before a process ends at once: give away what is still held. Never raises."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _write(line: str) -> None:
    """Write a line to what is standard error now; whoever logs goes on where that fails.

    What does not fit at once Python holds, some kilobytes of whole lines, for the next one.
    """
    try:
        with _writing:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
    except (OSError, ValueError, RuntimeError):  # no room, nobody reads; closed; amid another line
        _unwritten.inc()


class _Writer:
    """What structlog calls by the level's name with a line that is ready."""

    def __init__(self, *_: Any) -> None: ...

    def __getattr__(self, level: str) -> Callable[[str], None]:
        return _write


class _Chain:
    """The one processor: checks the fields, reduces the exception, renders the line."""

    def __init__(self, *, service: str, strict: bool, clock: Clock) -> None:
        self._service, self._strict, self._clock = service, strict, clock

    def __call__(self, logger: Any, level: str, fields: MutableMapping[str, Any]) -> str:
        event = fields.pop("event", None)
        error = fields.pop("exc_info", None)
        line: dict[str, Any] = {
            "at": to_rfc3339(self._clock.now()),
            "level": level,
            "service": self._service,
            "event": event if _is_event(event) else self._refuse("event"),
        }
        bad = [name for name, value in fields.items() if not _passes(name, value)]
        for name in bad:
            self._refuse(name)
        line |= {name: value for name, value in fields.items() if name not in bad}
        if bad:
            line["refused_fields"] = [name if _EVENT.fullmatch(name) else "?" for name in bad]
        if error:
            line["error"] = reduced(_exception(error))
        logfile.make_room()
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))

    def _refuse(self, name: str) -> str:
        if self._strict:
            raise FieldRefused(f"log field {name} is not allowed or not in its form")
        _refused.inc()
        return "event_refused"

    def library(self, record: logging.LogRecord, withheld: int) -> str:
        line: dict[str, Any] = {
            "at": to_rfc3339(self._clock.now()),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": "library",
            "logger": record.name if _LOGGER.fullmatch(record.name) else "?",
            "where": f"{record.filename}:{record.lineno}",
        }
        if template := _literal(record):
            line["template"] = template
        if withheld:
            line["withheld"] = withheld
        if record.exc_info and (exc := record.exc_info[1]):
            line["error"] = reduced(exc)
        logfile.make_room()
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


class _Libraries(logging.Handler):
    """Takes what libraries log through the standard library; `logging` calls it under a lock."""

    def __init__(self, chain: _Chain) -> None:
        super().__init__()
        self._chain = chain
        self._last: dict[_Spot, float] = {}  # as many as there are places that log
        self._withheld: Counter[_Spot] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        spot = (record.pathname, record.lineno, record.exc_info[0] if record.exc_info else None)
        now = time.monotonic()
        if now - self._last.get(spot, -_QUIET) < _QUIET:
            self._withheld[spot] += 1
            return
        self._last[spot] = now
        _write(self._chain.library(record, self._withheld.pop(spot, 0)))


def reduced(exc: BaseException) -> list[dict[str, Any]]:
    """Return what may be known of an exception and its causes, outermost first."""
    return [_one(each) for each in _causes(exc)]


def _one(exc: BaseException) -> dict[str, Any]:
    known: dict[str, Any] = {"type": f"{type(exc).__module__}.{type(exc).__qualname__}"}
    if isinstance(exc, MeldewegError):
        known["code"] = exc.code if _CODE.fullmatch(exc.code) else "?"
    if isinstance(exc, (Fatal, Unavailable)):  # about ourselves; a Refused is about foreign bytes
        known["detail"] = exc.detail
    known["frames"] = [
        f"{_short(frame.filename)}:{frame.lineno} {frame.name}"
        for frame in traceback.StackSummary.extract(
            traceback.walk_tb(exc.__traceback__), lookup_lines=False
        )[-_FRAMES:]
    ]
    return known


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = exc
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _short(filename: str) -> str:
    for mark in ("/site-packages/", "/services/", "/lib/"):
        if mark in filename:
            return filename.rpartition(mark)[2]
    return filename.rpartition("/")[2]


def _exception(error: Any) -> BaseException:
    match error:
        case BaseException():
            return error
        case (_, BaseException() as exc, _):
            return exc
        case _:
            return sys.exception() or ValueError("exc_info without an exception")


def _is_event(event: Any) -> bool:
    return isinstance(event, str) and _EVENT.fullmatch(event) is not None


def _passes(name: str, value: Any) -> bool:
    form = _allowed.get(name)
    if isinstance(form, re.Pattern):
        return isinstance(value, str) and form.fullmatch(value) is not None
    if form is float:
        # else it were no JSON
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return form is not None and type(value) is form


def _literal(record: logging.LogRecord) -> str | None:
    """Return the template if it stands in the caller's source; an f-string could hold content."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the documented way to the caller
    while frame is not None:
        code = frame.f_code
        if code.co_filename == record.pathname and code.co_name == record.funcName:
            return record.msg if record.msg in code.co_consts else None
        frame = frame.f_back
    return None


def _uncaught(kind: type[BaseException], exc: BaseException, tb: TracebackType | None) -> None:
    get().critical("crashed", exc_info=exc)


def _in_a_thread(args: "threading.ExceptHookArgs") -> None:
    if args.exc_type is not SystemExit:  # a thread may end so
        get().critical("thread_crashed", exc_info=args.exc_value)


def _in_a_finaliser(args: "sys.UnraisableHookArgs") -> None:
    get().error("finaliser_failed", exc_info=args.exc_value)


_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], None]
