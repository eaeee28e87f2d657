"""For small things that are not content but say too much at rest: names of acting persons, the 201
answer with clause and legal basis, idempotency keys.

Guarantees: whoever has the store's file alone reads none of them, and can't move one to another row
(the row is authenticated). Trusts: the key file, 0600, on the same machine: this protects copies of
the store (backups), not against whoever has the machine.
"""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meldeweg.kernel import keyfile
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import naming

KEY_BYTES = 32
_NONCE_BYTES = 12  # random; one key stays far below 2**32 seals (NIST SP 800-38D, 8.3)


class Vault:
    """AES-256-GCM and keyed hashes under one local key."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 random bytes; separate keys for sealing and for hashing come from it."""
        if len(key) != KEY_BYTES:
            raise Fatal("vault-key-malformed", f"expected {KEY_BYTES} bytes")
        self._aead = AESGCM(_derived(key, b"meldeweg vault seal v1"))
        self._mac = _derived(key, b"meldeweg vault hash v1")

    def seal(self, secret: bytes, place: str) -> bytes:
        """Return nonce ‖ ciphertext ‖ tag; opens with the same `place` alone (`sent.answer ID`)."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Return the secret; `Fatal("vault-unreadable")` for another key, place or byte."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as exc:
            raise Fatal("vault-unreadable", place.partition(" ")[0]) from exc

    def hash(self, secret: bytes, purpose: str) -> bytes:
        """Return HMAC-SHA256: equal exactly for equal secrets, and says nothing without the key."""
        keyed = hmac.new(self._mac, purpose.encode() + b"\0", hashlib.sha256)
        keyed.update(secret)
        return keyed.digest()

    def mark(self) -> str:
        """Return what identifies this key, to notice a store opened with another one."""
        return self.hash(b"", "mark").hex()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault is not pickled or copied")


def load(path: Path, setting: str = "vault_key") -> Vault:
    """Read the key, or create it on the first start.

    Raises Fatal as `kernel.keyfile`, or `vault-key-malformed`, each with the
    name of the `setting` that says where it is.
    """
    with naming(setting):
        if not path.exists():
            keyfile.create(path, secrets.token_bytes(KEY_BYTES))
        key = keyfile.read(path)
        if len(key) != KEY_BYTES:
            raise Fatal("vault-key-malformed", f"{path}: expected {KEY_BYTES} bytes")
        return Vault(key)


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, purpose, hashlib.sha256).digest()
