"""Kafka's frames, as far as a proxy must know them: length, api key, correlation id, addresses.

Guarantees: what comes out, put together, is what came in; a stream that is no Kafka is refused, not
guessed at. Pure. Source: the Kafka protocol guide, "Protocol Primitive Types", request and response
headers. Everything behind those headers is passed on unread, but for the addresses that brokers
name: they are found by their bytes, because their place differs with every version.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, DESCRIBE_CLUSTER = 0, 1, 3, 10, 60
_NAMING = frozenset({METADATA, FIND_COORDINATOR, DESCRIBE_CLUSTER})  # their replies name brokers
_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")  # api key, api version, correlation id
LARGEST = 128 * 1024 * 1024  # bytes of one frame; brokers refuse above 100 MiB


class NoKafka(ValueError):
    """These bytes are no Kafka frames."""


class Frames:
    """Cuts a stream of bytes into frames, each with its length before it."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield every frame that is whole by now."""
        self._rest += chunk
        while len(self._rest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest)
            if not _LENGTH.size <= length <= LARGEST:
                raise NoKafka(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._rest) < end:
                return
            frame = bytes(self._rest[:end])
            del self._rest[:end]
            yield frame


@dataclass(slots=True)
class Exchange:
    """One connection: which request each reply belongs to."""

    _open: dict[int, int] = field(default_factory=dict)  # correlation id → api key

    def asked(self, frame: bytes) -> int:
        """Note a request; returns its api key."""
        if len(frame) < _LENGTH.size + _REQUEST.size:
            raise NoKafka("a request without a header")
        api, _, correlation = _REQUEST.unpack_from(frame, _LENGTH.size)
        self._open[correlation] = api
        return int(api)

    def answered(self, frame: bytes) -> int:
        """Return the api key of the request that this reply belongs to."""
        (correlation,) = _LENGTH.unpack_from(frame, _LENGTH.size)
        try:
            return self._open.pop(correlation)
        except KeyError as exc:
            raise NoKafka("a reply to nothing that was asked") from exc


def redirected(frame: bytes, api: int, host: str, ports: Mapping[int, int]) -> bytes:
    """Return a reply in which every broker is named by the port that `ports` has for its own.

    The length stays: only four bytes change, those of the port right behind the host's name.
    """
    if api not in _NAMING:
        return frame
    for theirs, ours in ports.items():
        before, after = (host.encode() + _LENGTH.pack(port) for port in (theirs, ours))
        frame = frame.replace(before, after)
    return frame
