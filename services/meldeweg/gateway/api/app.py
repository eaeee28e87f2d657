"""The gateway's HTTP application: routes over ports, behind the guard, every error a problem.

Guarantees: whatever goes wrong, the answer is problem+json without a byte of the request in it;
what nobody expected is the guard's, which logs its type and place and answers 500.
Trusts: `kernel.service` for connections, TLS, readiness and drain.
"""

from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from meldeweg import __version__
from meldeweg.gateway.api import inbox, messages, quarantine, register, service
from meldeweg.gateway.api.auth import TokenBook
from meldeweg.gateway.api.direct import Direct
from meldeweg.gateway.api.guard import Guard
from meldeweg.gateway.api.ports import Ports, Rejected
from meldeweg.gateway.api.problems import answer, of_outcome
from meldeweg.gateway.api.reading import pointers
from meldeweg.kernel import logs
from meldeweg.kernel.errors import MeldewegError, Refused

log = logs.get()


def build(ports: Ports) -> FastAPI:
    """Return the application; `kernel.service` adds health, metrics and version to it."""
    app = FastAPI(
        title="Meldeweg Gateway",
        version=__version__,
        openapi_url=None,  # served by `service`, with the problems and without a script from afar
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            MeldewegError: _outcome,
            RequestValidationError: _parameter,
            HTTPException: _http,
        },
    )
    for part in (messages, inbox, register, quarantine):
        app.include_router(part.router(ports))
    app.include_router(service.router(app))
    app.add_middleware(Direct, accept=partial(messages.accept, ports), outcome=_outcome)
    app.add_middleware(Guard, book=TokenBook(ports.tokens))
    return app


async def _outcome(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, MeldewegError)
    if not isinstance(exc, Refused):
        log.warning("request_failed", code=exc.code)
    return of_outcome(exc)


async def _parameter(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    found = [error | {"loc": error["loc"][1:]} for error in exc.errors()]  # without "query", "path"
    return of_outcome(Rejected("parameter-invalid", errors=pointers(found)))


async def _http(request: Request, exc: Exception) -> Response:
    # The guard lets only known addresses and methods through: the framework's own 404 is left over.
    return answer("not-found")
