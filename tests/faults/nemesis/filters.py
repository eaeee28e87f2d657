"""Packets that are lost: a filter of the kernel's on one TCP socket, thrown with its own dice.

Guarantees: each segment that arrives at the socket, payload or acknowledgement, is dropped before
TCP sees it with the chance named, so that both ends time out and retransmit as on a bad line; the
kernel counts what was dropped. Needs Linux, and no right: not root, no namespace, no module.
Source: socket(7) `SO_ATTACH_FILTER`, the kernel's networking/filter.rst (the extension `rand`).
"""

import ctypes
import socket
import struct
from typing import Protocol

_ATTACH, _DETACH, _MEMORY = 26, 27, 55  # SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO
_DROPS = 8  # SK_MEMINFO_DROPS, the last of nine
_LOAD_RANDOM = (0x20, 0, 0, 0xFFFFF038)  # ld [SKF_AD_OFF + SKF_AD_RANDOM]
_KEEP, _DROP = (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)  # ret
_LESS_IS_DROPPED = (0x35, 0, 1)  # jge threshold: on to keep, else over it


class Socket(Protocol):
    """What both a socket and asyncio's view of one can do."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def lose(of: Socket, share: float) -> None:
    """Drop this share (0 to 1) of what arrives from now on; 0 drops nothing any more."""
    if share <= 0:
        _detach(of)
        return
    threshold = int(share * 2**32)
    dice = (_LOAD_RANDOM, (*_LESS_IS_DROPPED, threshold), _KEEP, _DROP)
    program = (_DROP,) if share >= 1 else dice
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    given = struct.pack("@HP", len(program), ctypes.addressof(held))
    of.setsockopt(socket.SOL_SOCKET, _ATTACH, given)


def lost(of: Socket) -> int:
    """Return how many segments the kernel dropped at this socket since it was opened."""
    known = of.getsockopt(socket.SOL_SOCKET, _MEMORY, 9 * 4)
    return int(struct.unpack("=9I", known)[_DROPS])


def _detach(of: Socket) -> None:
    try:
        of.setsockopt(socket.SOL_SOCKET, _DETACH, struct.pack("=i", 0))
    except FileNotFoundError:
        return  # there was none
