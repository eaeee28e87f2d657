"""What the API says of itself: the pages of its problems, its OpenAPI document, and that readable.

Guarantees: no script, nothing loaded from anywhere, a content security policy that says so.
"""

from collections.abc import Callable
from functools import cache

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import HTMLResponse

from meldeweg.gateway.api import describe, pages, problems
from meldeweg.gateway.api.openapi import document, written


def router(app: FastAPI) -> APIRouter:
    """Return the open routes. The document is made on first use: starting stays quick."""
    api = APIRouter(tags=["Auskunft"])

    @cache
    def described() -> bytes:
        return written(document(app))

    @cache
    def to_read() -> str:
        return pages.docs(document(app))

    @api.get("/problems", summary="All problems of this API", response_class=HTMLResponse)
    async def index() -> Response:
        return _page(pages.index)

    @api.get(
        "/problems/{code}",
        summary="What a problem means",
        response_class=HTMLResponse,
        responses=describe.problems("GET /problems/{code}"),
    )
    async def problem(code: str) -> Response:
        found = problems.catalogue().get(code)
        return _page(lambda: pages.problem(found)) if found else problems.answer("not-found")

    @api.get("/openapi.json", summary="This API as OpenAPI 3.1")
    async def openapi() -> Response:
        return Response(described(), media_type="application/json")

    @api.get("/docs", summary="This API to read", response_class=HTMLResponse)
    async def docs() -> Response:
        return _page(to_read)

    return api


def _page(make: Callable[[], str]) -> Response:
    return HTMLResponse(make(), headers={"Content-Security-Policy": pages.POLICY})
