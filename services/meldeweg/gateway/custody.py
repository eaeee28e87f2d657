"""A store belongs to one agency and to one vault key: a part of the service between them.

Guarantees: a store whose names and answers were sealed under another key, or that another agency
wrote, is not gone on with.
"""

import sqlite3

from meldeweg.gateway.store import Store, meta
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import said

_MARK, _OWNER = "vault", "agency"


class Custody:
    """Started after the store."""

    def __init__(self, me: AgencyId, store: Store, vault: Vault) -> None:
        self._me, self._store, self._vault = me, store, vault
        self.begun = False  # whether the store was new when this process started

    async def start(self) -> None:
        """Note in a new store whose it is, and the key's mark.

        Raises `WrongSetting("store-of-another")` or `("vault-key-wrong")` if something else is
        there.
        """
        mark = self._vault.mark()
        self.begun, owner, found = await self._store.write(
            lambda db: (
                meta.get(db, _MARK) is None,
                _noted(db, _OWNER, self._me),
                _noted(db, _MARK, mark),
            )
        )
        if owner != self._me:
            raise WrongSetting("store-of-another", f"{said('agency')}: the store is of {owner}")
        if found != mark:
            why = f"{said('vault_key')}: the store was written with another vault key"
            raise WrongSetting("vault-key-wrong", why)

    async def stop(self) -> None:
        """Nothing is open."""


def _noted(db: sqlite3.Connection, name: str, value: str) -> str:
    """Return what is there under `name`, after noting `value` where nothing is."""
    found = meta.get(db, name)
    if found is None:
        meta.put(db, name, value)
    return found or value
