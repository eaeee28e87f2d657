"""Every type and version with its examples, and whether a content is accepted."""

import json

import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.schemas import SchemaInvalid

ALL = [(kind, version) for kind, versions in schemas.TYPES.items() for version in versions]
EXAMPLES = [
    (kind, version, example)
    for kind, version in ALL
    for example in schemas.json_schema(kind, version)["examples"]
]
IDS = [f"{kind}-{number}" for number, (kind, _, _) in enumerate(EXAMPLES)]
RECORD = {
    "v": 1,
    "type": "notification",
    "version": 1,
    "grounds": ["neglect"],
    "clause": "vernachlaessigung",
    "legal_basis": ["§ 1 Beispielgesetz"],
    "purpose": "Beispiel",
    "urgency": "today",
    "actor_ref": "0" * 32,
    "nonce": "A" * 43,
}


def accepts(kind, version, document):
    try:
        schemas.validate(kind, version, json.dumps(document).encode())
    except SchemaInvalid:
        return False
    return True


def refused(kind, document):
    with pytest.raises(SchemaInvalid) as info:
        schemas.validate(kind, 1, document)
    return info.value
