"""Who this gateway is, and with what it signs, opens, numbers and tells the time.

Made once at the start and shared by the flows; holds no state of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meldeweg.gateway import events
from meldeweg.gateway.numbering import Numbering
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.trust.view import View


@dataclass(frozen=True, slots=True)
class Desk:
    """`opening`: private keys by id, as the keyring has them now. `signer`: the signing key of the
    moment, or Unavailable. `queued`: called after a commit that put something into the outbox."""

    me: AgencyId
    view: View
    opening: Callable[[], Mapping[KeyId, OpenKey]]
    signer: Callable[[], SigningKey]
    numbering: Numbering
    clock: Clock
    vault: Vault
    queued: Callable[[], None]

    def event(self, kind: EventKind, **facts: Any) -> NewRow:
        """Return the row of an event of ours, of now."""
        return events.row(self.me, self.signer(), kind, self.clock.now(), **facts)
