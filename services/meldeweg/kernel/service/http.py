"""The HTTP side of a service: health, readiness, metrics, version, and its own API behind a gate.

Guarantees: until every part has started, and once draining began, the service's own paths answer
503 as problem+json; `/readyz` names what is missing. Query strings and paths are never logged.
Trusts: checks are cheap and synchronous; they report what a part noticed, they do not probe.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from meldeweg import __version__
from meldeweg.kernel import metrics
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.service import problem
from meldeweg.kernel.service.protocol import BoundedProtocol
from meldeweg.kernel.settings import HttpSettings, said

Check = Callable[[], str | None]  # a stable code of what is missing, or None

_OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/version"})
_GRACE = 4  # seconds for requests under way when draining begins


class Readiness:
    """What is still missing before this service may be asked for anything."""

    def __init__(self) -> None:
        self.phase: str | None = "starting"  # None once all parts have started
        self.checks: dict[str, Check] = {}
        self.waiting: dict[str, str] = {}  # part that could not start yet -> code

    def missing(self) -> dict[str, str]:
        """Return part -> code for each thing that is missing; empty means ready."""
        found = {name: code for name, check in self.checks.items() if (code := check())}
        found |= self.waiting
        return found | ({"service": self.phase} if self.phase else {})


def build(name: str, app: FastAPI | None, readiness: Readiness, agency: str = "") -> ASGIApp:
    """Return `app` (or an empty one) with the four endpoints, behind the gate.

    `agency`: whose it is, where there is one for each.
    """
    app = app or FastAPI(title=name, openapi_url=None)
    app.include_router(_endpoints(name, readiness, f"{name}-{agency}" if agency else name))
    return _Gate(app, readiness)


def _endpoints(name: str, readiness: Readiness, who: str) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        summary="ready, or 503 with what is missing",
        responses={503: {"description": "`missing`: part → stable code", "model": Ready}},
    )
    async def readyz() -> JSONResponse:
        missing = readiness.missing()
        return JSONResponse(
            {"service": who, "ready": not missing, "missing": missing},
            status_code=503 if missing else 200,
        )

    @router.get("/metrics", summary="Prometheus text format", response_class=Response)
    async def render() -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)

    @router.get("/version", summary="name and version")
    async def version() -> dict[str, str]:
        return {"name": name, "version": __version__}

    return router


class Ready(BaseModel):
    """What `/readyz` says; `missing`: part → why, as a stable code.

    `service`: which it is, of a gateway with its agency.
    """

    service: str
    ready: bool
    missing: dict[str, str]


class _Gate:
    """Lets nothing but the four endpoints through while parts are starting or stopping."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app, self._readiness = app, readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        phase = self._readiness.phase
        if phase is None or scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = Response(
            problem.body(problem.STARTING if phase == "starting" else problem.DRAINING),
            status_code=503,
            headers={"Retry-After": "1"},
            media_type=problem.MEDIA_TYPE,
        )
        await answer(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/problems/")


class Server(uvicorn.Server):
    """uvicorn that leaves signals to the service, and listens from construction on."""

    def __init__(self, app: ASGIApp, settings: HttpSettings) -> None:
        tls = _tls(settings)
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # a query string may hold what a person typed
                lifespan="off",  # parts are the service's, started in its order
                ws="none",
                http=BoundedProtocol,
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
                ssl_context_factory=(lambda *_: tls) if tls else None,
            )
        )
        self._socket = _bound(settings)
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def run_until_stopped(self) -> None:
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Ask for the end; requests under way get their few seconds."""
        self.should_exit = True


def _tls(settings: HttpSettings) -> ssl.SSLContext | None:
    """TLS 1.3 alone: every caller is a program of ours or of an agency, or a current browser."""
    if settings.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(settings.cert, settings.key)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        which = f"{said('http.cert')} or {said('http.key')}"
        raise Fatal("setting-invalid", f"{which}: not a readable pair") from exc
    return context


def _bound(settings: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except (OSError, UnicodeError) as exc:  # the second: a part longer than a name's may be
        code = getattr(exc, "errno", None)
        where = f"cannot listen on {settings.host}:{settings.port}"
        if code == errno.EADDRINUSE:
            raise Fatal("port-taken", where) from exc
        # Below 1024 without the right to it; else no address or name of this machine.
        name = "http.port" if code in (errno.EACCES, errno.EPERM) else "http.host"
        why = getattr(exc, "strerror", None) or "no name of a machine"
        raise Fatal("setting-invalid", f"{said(name)}: {where}: {why}") from exc
