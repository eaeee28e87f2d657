"""Reads the body of `POST /v1/messages` (step 1): strictly, once, without a word of it in an error.

Pure. Trusts nothing of the body but its size, which the API bounded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ValidationError

from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import MessageOrder, Pointer
from meldeweg.kernel import schemas, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas import invalid
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.record import Labels, Reason, ThreadId
from meldeweg.kernel.schemas.values import Line, is_readable, readable
from meldeweg.kernel.schemas.vocabulary import MessageType

_M = TypeVar("_M", bound=Frozen)


class _Words(Frozen):
    """What goes into the record, in the record's form; the order's own is wider."""

    thread: ThreadId | None = None
    addressee: Annotated[Line, AfterValidator(readable)] | None = None
    override: Annotated[Reason, AfterValidator(readable)] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A well-formed order. `content`: the document as it was given, for sealing."""

    asked: MessageOrder = field(repr=False)
    type: MessageType
    labels: Labels | None = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)


def read(body: bytes) -> Order:
    """Return the order, or refuse: `json-malformed`, `schema-violated`, `type-unknown`."""
    if strictjson.crowded(body, schemas.ENTRIES_MAX):
        raise _violated((invalid.Pointer("", "too-many"),), "")
    document = strictjson.loads(body)
    asked = _checked(lambda: MessageOrder.model_validate_json(body), document, "")
    kind = next((each for each in MessageType if each == asked.type), None)
    if kind is None:
        raise Refused("type-unknown", "")
    if not (asked.thread is asked.addressee is asked.override is None):
        given = {name: document[name] for name in _Words.model_fields if name in document}
        _model(_Words, given, "")
    labels = _labels(dict(asked.labels)) if asked.labels else None
    return Order(asked, kind, labels, document["content"])


def in_version(order: Order, version: int) -> Order:
    """Return the order with its content as an older version can say it."""
    return replace(order, content=schemas.in_version(order.type, version, order.content))


def content(order: Order, version: int) -> Content:
    """Return the content as its type's schema in `version` reads it (step 3)."""
    try:
        return schemas.validate(order.type, version, order.content)
    except invalid.SchemaInvalid as exc:
        found = exc.pointers
    raise _violated(found, "/content")


def _labels(given: dict[str, Any]) -> Labels:
    labels = _model(Labels, given, "/labels")
    # They satisfy a rule by being there (§ 22b PolG NRW): so there must be something to read.
    unseen = [name for name, text in labels if not is_readable(text)]
    if unseen:
        raise _violated(
            tuple(invalid.Pointer(f"/{name}", "not-in-form") for name in unseen), "/labels"
        )
    return labels


def _model(model: type[_M], document: dict[str, Any], place: str) -> _M:
    return _checked(lambda: model.model_validate_json(strictjson.dumps(document)), document, place)


def _checked(parse: Callable[[], _M], document: Any, place: str) -> _M:
    try:
        return parse()
    except ValidationError as exc:
        found = invalid.pointers(exc, document)
    # Outside the `except`: the library's error knows the values.
    raise _violated(found, place)


def _violated(found: tuple[invalid.Pointer, ...], place: str) -> Rejected:
    errors = tuple(Pointer(pointer=f"{place}{one.pointer}", code=one.error) for one in found)
    return Rejected("schema-violated", errors=errors)
