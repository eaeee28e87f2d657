"""By whose word a client over HTTP believes a certificate: a private authority, or the system's.

Guarantees: certificate and name are checked in either case. Trusts the file the user names.
"""

import ssl
from pathlib import Path

from meldeweg.kernel.errors import Refused


def trusting(ca: Path | None) -> ssl.SSLContext | bool:
    """Return what `httpx2` takes as `verify`; `ca`: PEM. `Refused("ca-unreadable")`."""
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as exc:  # ssl.SSLError, of what is no certificate, too
        raise Refused("ca-unreadable", str(ca)) from exc
