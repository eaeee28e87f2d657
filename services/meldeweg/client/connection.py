"""How both gateways connect: where a token may go, and how long anything may take."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT = httpx2.Timeout(connect=5.0, read=30.0, write=30.0, pool=10.0)  # seconds
RETRIES = 4


def base(url: str) -> str:
    """Return the address without a trailing slash; ValueError where a token must not go."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("url: http(s)://host[:port], without user and password")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("url: a token goes beyond this machine by https alone")
    return url.rstrip("/")


def options(url: str, token: str, ca: Path | str | None, transport: Any) -> dict[str, Any]:
    """Return the client's options. The environment's proxies and netrc files are not used."""
    context: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca) if ca else True
    if not ca and url.startswith("http://"):
        # No certificate will be shown, so none is believed; to read the system's authorities would
        # take longer than the answer does.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return {
        "headers": {"Authorization": f"Bearer {token}", "Accept": "application/json"},
        "timeout": TIMEOUT,
        "verify": context,
        "trust_env": False,
        "follow_redirects": False,
        "transport": transport,
    }


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Names of persons are not ASCII: the gateway reads UTF-8."""
    return [(name.encode(), text.encode()) for name, text in headers.items()]
