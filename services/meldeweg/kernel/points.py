"""Which public points of Curve25519 we accept as keys.

Guarantees: a point that passes has one encoding (RFC 8032, RFC 7748), lies on the curve and is not
of small order. A signature under a small-order Ed25519 key verifies for many messages at once, and
a small-order X25519 key makes every shared secret the same, so neither may be certified.
"""

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P

# y of the eight points of order 1, 2, 4 and 8 (either sign of x): 0, ±1 and the two of order 8.
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_ED25519_SMALL_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
# The same points on the Montgomery curve, u = (1 + y) / (1 - y), and those of its twist (u = -1).
_X25519_SMALL_U = frozenset(
    {0, _P - 1} | {(1 + y) * pow(1 - y, -1, _P) % _P for y in _ED25519_SMALL_Y - {1}},
)


def strong_ed25519(encoded: bytes) -> bool:
    """Tell whether 32 bytes are the canonical encoding of a point that may be a signature key."""
    if len(encoded) != 32:
        return False
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _P or y in _ED25519_SMALL_Y:
        return False
    # x² = (y² - 1) / (d·y² + 1) must be a square; Euler's criterion, without the division.
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    return pow(u * v, (_P - 1) // 2, _P) == 1


def strong_x25519(encoded: bytes) -> bool:
    """Tell whether 32 bytes are the canonical encoding of a point that may be sealed to."""
    if len(encoded) != 32:
        return False
    u = int.from_bytes(encoded, "little")
    return u < _P and u not in _X25519_SMALL_U
