"""`POST /v1/messages` without a query, past the framework's routing: the one call that is hot.

Guarantees: the same function answers as behind the route, with the same outcomes; whatever has a
query (`dry_run`) goes the long way. Stands behind the guard, so all that it checks holds here too.
The route stays: it is the description, and the way of what is not taken here.
"""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from meldeweg.kernel.errors import MeldewegError

PATH = "/v1/messages"


class Direct:
    """ASGI middleware. `accept` answers; `outcome` makes a problem of what it raises."""

    def __init__(
        self,
        app: ASGIApp,
        accept: Callable[[Request], Awaitable[Response]],
        outcome: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self._app, self._accept, self._outcome = app, accept, outcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_hot(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await self._accept(request)
        except MeldewegError as exc:
            answer = await self._outcome(request, exc)
        await answer(scope, receive, send)


def _is_hot(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"] == PATH
        and scope["method"] == "POST"
        and not scope["query_string"]
    )
