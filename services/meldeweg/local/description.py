"""`DIR/stack.json`: where everything of a running stack is, in the shape that API.md fixes.

Guarantees: written only when all are ready, whole or not at all, readable by the owner alone; gone
when the stack is down. It holds tokens: treat it like them.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.files import write_private

NAME = "stack.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeEntry(_Part):
    """One of several brokers."""

    address: str
    pid: int
    data: Path


class BrokerEntry(_Part):
    """`pid` and, with three, `nodes`: `pid` is then the first one's."""

    bootstrap: str
    ca: Path
    pid: int
    data: Path
    nodes: tuple[NodeEntry, ...] = ()


class PostgresEntry(_Part):
    """`uri` is the administrator's; it names the file of the password."""

    uri: str
    data: Path
    pid: int


class Certificate(_Part):
    cert: Path
    key: Path


class Principal(Certificate):
    principal: str


class Place(_Part):
    """Something with an HTTP address."""

    url: str
    pid: int


class AgencyEntry(Place):
    """A gateway: `token` has all scopes of its API."""

    token: str
    store: Path
    kafka: Principal


class ServiceEntry(Place):
    """A central service. `token`: the operators', or for audit an auditor's."""

    token: str
    kafka: Certificate


class Description(_Part):
    """The whole file."""

    district: str
    broker: BrokerEntry
    postgres: PostgresEntry
    agencies: dict[AgencyId, AgencyEntry]
    services: dict[str, ServiceEntry]


def write(directory: Path, description: Description) -> None:
    """Replace the file in one step."""
    text = description.model_dump_json(indent=1, exclude_defaults=True)
    write_private(directory / NAME, text.encode())


def remove(directory: Path) -> None:
    (directory / NAME).unlink(missing_ok=True)


def read(directory: Path) -> Description:
    """Read it, or `Unavailable(stack-not-running)`."""
    try:
        text = (directory / NAME).read_bytes()
    except FileNotFoundError:
        raise Unavailable("stack-not-running", f"no {NAME} in {directory}") from None
    return Description.model_validate_json(text)
