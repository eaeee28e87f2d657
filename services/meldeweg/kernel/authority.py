"""By whose word a client over HTTP believes a certificate: a private authority, or the system's.

Guarantees: certificate and name are checked in either case; an address without TLS needs neither,
and who is asked there can't lead to one with it. Trusts the file the user names.
"""

import ssl
from pathlib import Path

from meldeweg.kernel.errors import Refused


def trusting(url: str, ca: Path | None) -> ssl.SSLContext | bool:
    """Return what `httpx2` takes as `verify` for `url`; `ca`: PEM. `Refused("ca-unreadable")`."""
    if ca is None:
        return nobody() if url.startswith("http://") else True
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as exc:  # ssl.SSLError, of what is no certificate, too
        raise Refused("ca-unreadable", str(ca)) from exc


def nobody() -> ssl.SSLContext:
    """Return a context that believes no certificate at all, where none will be shown: to read the
    system's authorities takes longer than a question to a service of this machine.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
