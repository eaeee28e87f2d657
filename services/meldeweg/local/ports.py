"""Ports on loopback that stay a stack's own from one `up` to the next.

Guarantees: a port that was free when chosen, the same again for the same directory, and never one
of the kernel's ephemeral range: those may be taken by any outgoing connection while a service
restarts. Trusts nobody else to take one between choice and use; `Fatal(port-taken)` if so.
"""

import json
import socket
from pathlib import Path
from secrets import randbelow

from pydantic import ConfigDict, TypeAdapter, ValidationError

from meldeweg.kernel.errors import Fatal
from meldeweg.local.files import write_private

_LOWEST = 15000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_DEFAULT = 32768  # Linux; macOS starts at 49152
LOOPBACK = "127.0.0.1"


_KNOWN = TypeAdapter(dict[str, int], config=ConfigDict(strict=True))


class Ports:
    """Names → ports, kept in one file of the stack's directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path) if path.exists() else {}

    def of(self, name: str) -> int:
        """Return the port of `name`; chosen at first use, `Fatal(port-taken)` if now another's."""
        port = self._known.get(name)
        if port is None:
            port = self._choose()
            self._known[name] = port
            write_private(self._path, json.dumps(self._known, indent=1).encode())
        elif not is_free(port):
            raise Fatal("port-taken", f"{LOOPBACK}:{port} ({name}), see {self._path}")
        return port

    def _choose(self) -> int:
        top = _ephemeral_start()
        for _ in range(1000):
            port = _LOWEST + randbelow(top - _LOWEST)
            if port not in self._known.values() and is_free(port):
                return port
        raise Fatal("port-taken", f"no free port between {_LOWEST} and {top}")


def _read(path: Path) -> dict[str, int]:
    try:
        return _KNOWN.validate_json(path.read_bytes())
    except ValidationError:
        raise Fatal("stack-file-malformed", str(path)) from None


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT are no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _ephemeral_start() -> int:
    if not _RANGE.exists():
        return _EPHEMERAL_DEFAULT
    start = int(_RANGE.read_text(encoding="ascii").split()[0])
    return start if start > _LOWEST + 1000 else _EPHEMERAL_DEFAULT
