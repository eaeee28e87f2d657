"""The API as an OpenAPI 3.1 document, from the code and nothing else.

Guarantees: the same code gives the same bytes; what the committed document says, the code does
(`python -m meldeweg.gateway.openapi --check`). Pure.
"""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.api.describe import ref
from meldeweg.gateway.api.problems import ProblemDocument
from meldeweg.gateway.api.routes import OPEN, ROUTES
from meldeweg.gateway.api.shapes import MessageOrder
from meldeweg.kernel.schemas import TYPES
from meldeweg.kernel.schemas.record import Labels
from meldeweg.kernel.service.problem import MEDIA_TYPE

_DESCRIPTION = """\
The API of one agency's gateway for that agency's own systems; reached only inside its network.

Every request needs `Authorization: Bearer <token>`; each call names the scopes of which one
suffices. Every error is `application/problem+json` (RFC 9457) with a stable `code`; its `type` is
a page of this gateway that says what it means and what to do. Unknown parameters and members are
refused. Errors never repeat content. Times are UTC: `2026-11-22T18:19:43.000Z`.
"""
_CONTENTS = {kind: versions[max(versions)] for kind, versions in TYPES.items()}
_MODELS: tuple[type[BaseModel], ...] = (
    ProblemDocument,
    MessageOrder,
    ReceiptOrder,
    Labels,
    *_CONTENTS.values(),
)
_TEMPLATE = "#/components/schemas/{model}"


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application made by `app.build`."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    schemas = made["components"]["schemas"]
    _, own = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=_TEMPLATE
    )
    schemas |= own["$defs"]
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's own, never answered
        schemas.pop(name, None)
    _say_content(schemas["MessageOrder"])
    made["components"]["schemas"] = dict(sorted(schemas.items()))
    made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            _finish(operation, method.upper(), path)
    return made


def _say_content(order: dict[str, Any]) -> None:
    """Say which schema the content follows: that of the message's type, in its newest version."""
    order["properties"]["labels"] = ref(Labels.__name__)
    order["oneOf"] = [
        {
            "title": kind.german,
            "properties": {"type": {"const": kind.value}, "content": ref(model.__name__)},
        }
        for kind, model in _CONTENTS.items()
    ]


def problem_schema() -> dict[str, Any]:
    """Return the JSON Schema of every problem, to be used alone."""
    schema = ProblemDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def written(made: dict[str, Any]) -> bytes:
    """Return the bytes as they are committed and served."""
    return (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode()


def _finish(operation: dict[str, Any], method: str, path: str) -> None:
    """Say which scopes suffice, and leave out the framework's 422, which is never answered."""
    route = next(route for route in ROUTES if (route.method, route.path) == (method, path))
    if route.scopes != OPEN:
        operation["security"] = [{"token": [scope]} for scope in sorted(route.scopes)]
    answers = operation["responses"]
    if "HTTPValidationError" in json.dumps(answers.get("422", "")):
        del answers["422"]
    for answer in answers.values():
        # Routes declare `application/json` for what succeeds; a problem is never that.
        if MEDIA_TYPE in answer.get("content", ()):
            answer["content"].pop("application/json", None)
