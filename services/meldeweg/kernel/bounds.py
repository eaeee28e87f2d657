"""What values a setting may have, so that none is accepted at the start and fails in use.

Guarantees: whatever lies within a bound can be added to today or taken from it, waited for by the
event loop, the operating system and the HTTP client, and compared with a number in the store.
Trusts nothing: where a bound is wider than anybody needs, it is because the value does no harm.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_DAY = 86_400.0
_YEAR = 365 * _DAY

Seconds = Annotated[float, Field(ge=0.001, le=100 * _YEAR)]
"""How old something may become: "never", in practice, at the upper end."""

Days = Annotated[float, Field(gt=0, le=100 * 365)]
"""The same, in days."""

Pause = Annotated[float, Field(ge=0.001, le=_DAY)]
"""Seconds between turns of a loop: it does not spin, and turns once a day at least."""

Patience = Annotated[float, Field(ge=0.001, le=3600)]
"""Seconds that a call over the network is waited for."""

# Beyond it, what is reckoned from now leaves the years that a time may have (`kernel.clock`).
Offset = Annotated[float, Field(ge=-20 * _YEAR, le=20 * _YEAR)]
"""Seconds by which a clock is wrong."""

Count = Annotated[int, Field(gt=0, le=10**9)]
Bytes = Annotated[int, Field(gt=0, le=2**50)]

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
_ADDRESS = re.compile(rf"{_HOST}:(?P<port>[0-9]{{1,5}})")
_URL = re.compile(rf"https?://{_HOST}(?::(?P<port>[0-9]{{1,5}}))?/?")
_PORTS = range(1, 65536)


def _addresses(text: str) -> str:
    addresses = [address.strip() for address in text.split(",")]
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        if not found or int(found["port"]) not in _PORTS:
            # Clients would go on trying, and their logs don't name the address.
            raise PydanticCustomError(
                "kafka_addresses",
                "expected host:port, port 1 to 65535, commas between several, without a scheme",
            )
    return ",".join(addresses)


def _url(text: str) -> str:
    found = _URL.fullmatch(text)
    if not found or int(found["port"] or 80) not in _PORTS:
        raise PydanticCustomError(
            "service_url", "expected http(s)://host[:port], port 1 to 65535, without a path"
        )
    return text


Addresses = Annotated[str, AfterValidator(_addresses)]
"""Where brokers listen: `host:port[,host:port…]`; IPv6 in brackets."""

Url = Annotated[str, AfterValidator(_url)]
"""Where a service answers: scheme, host and port alone."""
