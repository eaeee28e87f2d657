"""Who may look into the log: auditors, each with a token of their own, stored as a hash.

Guarantees: without a file nobody may; a token is compared in constant time; no token is in a log
or an error. The file is read again when it changes, so that a token can be taken back at once.
"""

import hmac
import re
from hashlib import sha256
from pathlib import Path

from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.settings import said

_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})")


class Auditors:
    """The tokens of a file, by name."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._hashes: dict[str, bytes] = {}
        self._read()

    def who(self, token: str | None) -> str:
        """Return the auditor's name; `Refused("token-missing")`, `Refused("token-refused")`."""
        if not token:
            raise Refused("token-missing")
        self._read()
        hashed = sha256(token.encode()).digest()
        found = [name for name, known in self._hashes.items() if hmac.compare_digest(known, hashed)]
        if not found:
            raise Refused("token-refused")
        return found[0]

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            lines = self._path.read_text(encoding="ascii").splitlines()
        except (OSError, ValueError) as exc:
            why = f"{said('auditors')}: cannot read {self._path}"
            raise Fatal("setting-invalid", why) from exc
        found = [_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
        if not all(found):
            why = f"{said('auditors')}: expected NAME SHA256 on each line"
            raise Fatal("setting-invalid", why)
        self._hashes = {match[1]: bytes.fromhex(match[2]) for match in found if match}
        self._stamp = stamp
