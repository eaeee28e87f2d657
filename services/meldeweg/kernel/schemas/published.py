"""The JSON Schemas as other programs see them: dialect, stable `$id`, German titles, one form.

Guarantees: the same model gives the same bytes, so a released schema can be pinned by its hash.
"""

import json
from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_id(name: str, version: int) -> str:
    """Return for instance `urn:meldeweg:schema:notification:1`."""
    return f"urn:meldeweg:schema:{name}:{version}"


def schema_of(model: type[BaseModel], name: str, version: int) -> dict[str, Any]:
    """Return the JSON Schema of a model under its `$id`."""
    return {
        "$schema": DIALECT,
        "$id": schema_id(name, version),
        **model.model_json_schema(mode="validation"),
    }


def schema_bytes(schema: dict[str, Any]) -> bytes:
    """Return the bytes of the published file."""
    return (json.dumps(schema, ensure_ascii=False, indent=2) + "\n").encode()
