"""What the audit serves: the log as static files for anyone, and what it says for auditors.

Guarantees: without a token nothing but checkpoint, keys and tiles, which say nothing about anybody;
nothing beyond the signed size. Nothing here changes the log, but what a named person decides about
a topic that stands still (`deciding`).
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from meldeweg import __version__
from meldeweg.audit import deciding
from meldeweg.audit.access import Auditors
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.reading import Reading, Signed, Stored
from meldeweg.audit.served import Served
from meldeweg.kernel import note
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import MeldewegError, Refused, Unavailable
from meldeweg.kernel.leaf import parse_canonical, statement_of
from meldeweg.kernel.service.operators import answer_problems
from meldeweg.kernel.service.problem import MEDIA_TYPE

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-cache"}
_TEXT = "text/plain; charset=utf-8"
_PAGE = 200  # entries at once
_STATUS = {"token-missing": 401, "token-refused": 403, "index-out-of-range": 422,
           "size-out-of-range": 422, "tile-path-malformed": 404} | deciding.STATUS  # fmt: skip

_PROBLEM: dict[str, Any] = {"description": "Problem (RFC 9457)", "content": {MEDIA_TYPE: {}}}

Keys = Callable[[str], Sequence[note.Verifier]]
"""Origin of a log -> whose signatures are its own"""

Year = Annotated[int | None, Query(ge=2000, le=9999, description="the log of this year")]
Size = Annotated[
    int | None, Query(ge=0, lt=2**53, description="a size that was signed; else the newest")
]
Number = Annotated[int, Query(ge=0, lt=2**53)]  # what PostgreSQL can count to, and more
Topic = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


def build(
    reading: Reading,
    auditors: Auditors,
    keys: Keys,
    decide: Deciding,
) -> FastAPI:
    """Return the application; the service adds health, metrics and version."""
    app = FastAPI(
        title="Meldeweg audit",
        version=__version__,
        description="The tamper-evident log of all transfers. See docs/spec/audit-log.md.",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
    )
    answer_problems(app)  # what FastAPI itself refuses: its own words would quote the request
    app.add_exception_handler(MeldewegError, _problem)
    served = _Files(reading, keys)
    _public(app, served)
    _for_auditors(app, reading, served, auditors, decide)
    return app


class _Files:
    """The log of a year at a signed size, as files."""

    def __init__(self, reading: Reading, keys: Keys) -> None:
        self._reading, self._keys = reading, keys

    def at(self, year: int | None, size: int | None) -> Served:
        signed = self._reading.signed(year, size)
        return Served(self._reading, self._keys(signed.origin), signed)


def _public(app: FastAPI, files: _Files) -> None:
    @app.get("/checkpoint", tags=["log"], summary="newest signed tree head (C2SP tlog-checkpoint)")
    def checkpoint(year: Year = None, size: Size = None) -> Response:
        data = files.at(year, size).read("checkpoint", note.NOTE_MAX)
        return Response(data, media_type=_TEXT, headers=_NOW)

    @app.get("/vkey", tags=["log"], summary="the log's key; compare it with the register's")
    def vkey(year: Year = None) -> Response:
        data = files.at(year, None).read("vkey", note.NOTE_MAX)
        return Response(data, media_type=_TEXT, headers=_NOW)

    @app.get("/tile/{path:path}", tags=["log"], summary="hash tiles and entry bundles (C2SP)")
    def tile(path: str, year: Year = None) -> Response:
        data = files.at(year, None).read(f"tile/{path}", note.NOTE_MAX)
        # A year may be left out, and then the tile of a path is another one in the next year.
        headers = _FOREVER if year is not None else _NOW
        return Response(data, media_type="application/octet-stream", headers=headers)


def _for_auditors(
    app: FastAPI, reading: Reading, files: _Files, auditors: Auditors, decide: Deciding
) -> None:
    bearer = HTTPBearer(auto_error=False, description="an auditor's token")

    def who(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        return auditors.who(given.credentials if given else None)

    known = [Depends(who)]
    _exports(app, files, known)
    _proofs(app, reading, known)
    _state(app, reading, known)
    deciding.routes(app, decide, who)


def _exports(app: FastAPI, files: _Files, known: Sequence[Any]) -> None:
    @app.get("/manifest", tags=["export"], dependencies=known)
    def manifest(year: Year = None, size: Size = None) -> Response:
        data = files.at(year, size).read("manifest", note.NOTE_MAX)
        return Response(data, media_type=_TEXT)

    @app.get("/{name}.jsonl", tags=["export"], dependencies=known, summary="leaves, manifests")
    def lines(name: str, year: Year = None, size: Size = None) -> StreamingResponse:
        found = files.at(year, size).lines(f"{name}.jsonl")
        first = next(found, b"")  # a refusal comes before the answer begins
        return StreamingResponse(_ended(first, found), media_type="application/x-ndjson")


def _proofs(app: FastAPI, reading: Reading, known: Sequence[Any]) -> None:
    @app.get("/v1/logs", tags=["log"], dependencies=known, summary="one log for each year")
    def logs() -> list[dict[str, Any]]:
        return [_head(reading.signed(year)) for year in reading.years()]

    @app.get("/v1/proofs/inclusion", tags=["log"], dependencies=known)
    def inclusion(index: Number, year: Year = None, size: Size = None) -> dict[str, Any]:
        signed, proof = reading.inclusion(index, size, year)
        return _head(signed) | {"index": index, "proof": [_b64(step) for step in proof]}

    @app.get("/v1/proofs/consistency", tags=["log"], dependencies=known)
    def consistency(old: Number, year: Year = None, size: Size = None) -> dict[str, Any]:
        signed, proof = reading.consistency(old, size, year)
        return _head(signed) | {"old": old, "proof": [_b64(step) for step in proof]}


def _state(app: FastAPI, reading: Reading, known: Sequence[Any]) -> None:
    @app.get("/v1/entries", tags=["entries"], dependencies=known)
    def entries(
        year: Year = None,
        start: Annotated[int, Query(ge=0, lt=2**53, description="first index")] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
        topic: Topic = None,
        offset: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
    ) -> dict[str, Any]:
        """Entries in the order of the log, or those of one offset of a topic."""
        if topic is not None and offset is not None:
            return {"items": [_entry(each) for each in reading.find(topic, offset)], "next": None}
        signed = reading.signed(year)
        end = min(start + limit, signed.size)
        found = [_entry(each) for each in reading.entries(start, end, signed.year)]
        return {"items": found, "next": end if end < signed.size else None}

    @app.get("/v1/entries/{index}", tags=["entries"], dependencies=known)
    def entry(index: Annotated[int, Path(ge=0, lt=2**53)], year: Year = None) -> dict[str, Any]:
        """One entry with its sealed record, which only the oversight keys open."""
        return _entry(reading.entry(index, year))

    @app.get("/v1/streams", tags=["state"], dependencies=known)
    def streams() -> list[dict[str, Any]]:
        """The topics that are audited, the next offset of each, and why one stands still."""
        return reading.streams()

    @app.get("/v1/alarms", tags=["state"], dependencies=known)
    def alarms(*, everything: bool = False) -> list[dict[str, Any]]:
        """Open alarms, newest first; with `everything` also those that were resolved."""
        return reading.alarms(everything=everything)

    @app.get("/v1/decisions", tags=["state"], dependencies=known)
    def decisions() -> list[dict[str, Any]]:
        """What people decided about stopped topics and alarms, who and why; newest first."""
        return reading.decisions()


def _ended(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first + b"\n"
    for line in rest:
        yield line + b"\n"


def _entry(each: Stored) -> dict[str, Any]:
    """What auditors see of an entry. `canonical` is what the leaf commits to, byte for byte."""
    statement = None
    if each.canonical is not None:
        statement = statement_of(parse_canonical(each.canonical).headers)
    return {
        "year": each.year,
        "index": each.index,
        "topic": each.topic,
        "topic_id": each.topic_id.hex() if each.topic_id else None,
        "offset": each.offset,
        "appended": each.appended,
        "leaf": _b64(each.leaf),
        "canonical": _b64(each.canonical) if each.canonical is not None else None,
        "statement": statement.decode("utf-8", "replace") if statement is not None else None,
        "record": each.sealed.decode() if each.sealed is not None else None,
    }


def _head(signed: Signed) -> dict[str, Any]:
    return {
        "year": signed.year,
        "origin": signed.origin,
        "size": signed.size,
        "root": _b64(signed.root),
        "checkpoint": signed.note.decode(),
        "signed_at": to_rfc3339(signed.signed_at),
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _problem(request: Request, exc: Exception) -> JSONResponse:
    """RFC 9457; the code is stable, and a detail about ourselves is free of content."""
    assert isinstance(exc, MeldewegError)
    status = 503
    if isinstance(exc, Refused):
        status = _STATUS.get(exc.code, 404)
    elif not isinstance(exc, Unavailable):
        status = 500
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = {"type": f"/problems/{exc.code}", "title": exc.code, "status": status, "code": exc.code}
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)
