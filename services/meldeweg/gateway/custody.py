"""The store and the vault's key belong together: a part of the service between both.

Guarantees: a store whose names and answers were sealed under another key is not gone on with.
"""

import sqlite3

from meldeweg.gateway.store import Store, meta
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.settings import said

_MARK = "vault"


class Custody:
    """Started after the store."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault

    async def start(self) -> None:
        """Note the key's mark in a new store.

        Raises `WrongSetting("vault-key-wrong")` if another's is there.
        """
        mark = self._vault.mark()

        def job(db: sqlite3.Connection) -> str:
            found = meta.get(db, _MARK)
            if found is None:
                meta.put(db, _MARK, mark)
            return found or mark

        if await self._store.write(job) != mark:
            why = f"{said('vault_key')}: the store was written with another vault key"
            raise WrongSetting("vault-key-wrong", why)

    async def stop(self) -> None:
        """Nothing is open."""
