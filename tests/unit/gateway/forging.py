"""How a record that is wrong on purpose enters the table, and what may become of it.

Each is as right as its forger could make it: only what its name says is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.vocabulary import MessageType
from unit.gateway.world import KREIS, NETTETAL, World

MARKER = "Kleeblattgasse"  # stands in every content; nobody may ever see it


class End(StrEnum):
    """What becomes of a record."""

    QUARANTINED = "quarantined"
    REFUSED = "quarantined, and the sender is told"
    PARKED = "parked, then quarantined"
    PARKED_REFUSED = "parked, then quarantined, and the sender is told"
    PARKED_FOR_GOOD = "parked until the anchor decides"
    AGAIN = "nothing new: the same receipt once more"


@dataclass(frozen=True)
class Case:
    """A forged record among what came before. `more`, `without`: of the topics of trust."""

    record: Record
    before: tuple[Record, ...] = ()
    sent: tuple[Record, ...] = ()  # by the agency that receives
    more: tuple[tuple[str, bytes], ...] = ()
    without: tuple[bytes, ...] = ()
    me: AgencyId = KREIS
    later: timedelta = timedelta(0)
    opens: tuple[OpenKey, ...] = ()  # private keys that the recipient has besides its own
    good: tuple[Record, ...] = ()  # what is around it, where the same way has no good one now


@dataclass(frozen=True)
class Forgery:
    """`beside`: what is wrong is wrong of every message of this sender, or under this agreement;
    the good ones around it are these.
    """

    name: str
    what: str
    code: str
    end: End
    make: Callable[[World], Case] = field(repr=False)
    beside: str = ""


FORGERIES: dict[str, Forgery] = {}


def forgery(what: str, code: str, end: End, *, beside: str = "") -> Callable[[Any], Any]:
    def entered(make: Any) -> Any:
        name = make.__name__.removeprefix("_").replace("_", "-")
        FORGERIES[name] = Forgery(name, what, code, end, make, beside)
        return make

    return entered


PARTNER = "messages of another partner"
AGREED = "messages under another agreement"


def of_a_partner(world: World) -> tuple[Record, ...]:
    """Two good ones of another agency, on its own topic."""
    return tuple(world.message(NETTETAL, n=n, type=MessageType.INQUIRY) for n in (1, 2))


def message(world: World, **changes: Any) -> Record:
    """Return a good message of the police to the Kreis with the marker in it."""
    content = examples.NOTIFICATION | {
        "facts": [examples.NOTIFICATION["facts"][0] | {"what": f"Erfunden: {MARKER}."}]
    }
    return world.message(**({"content": content} | changes))
