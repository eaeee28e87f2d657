"""Thirty-six records that have blinded, crashed or fooled consumers, and good ones around them."""

from faststream.exceptions import (  # noqa: TID251 - what a handler could raise to fool it
    AckMessage,
    NackMessage,
    RejectMessage,
    SkipMessage,
    StopConsume,
)

from integration.bus.stage import RawName

GOOD = (("statement", b"eyJ"), ("ce_id", b"1"))

# name -> (key, value, headers); a strict handler refuses each by its name, or dies of it
BYTES = {
    "null-value": (None, None, GOOD),
    "empty-value": (None, b"", GOOD),
    "null-key-null-value": (None, None, ()),
    "odd-key": (b"\xff\xfe", b"odd-key", GOOD),
    "empty-key": (b"", b"empty-key", GOOD),
    "no-headers": (None, b"no-headers", ()),
    "null-header": (None, b"null-header", (("statement", None),)),
    "empty-header": (None, b"empty-header", (("statement", b""),)),
    "odd-header-value": (None, b"odd-header-value", (("statement", b"\xff\xfe\x00"),)),
    "odd-header-name": (None, b"odd-header-name", ((RawName(b"\xff\xfe"), b"x"), *GOOD)),
    "odd-name-null-value": (None, None, ((RawName(b"\x80"), None),)),
    "cut-off-name": (None, b"cut-off-name", ((RawName("ä".encode()[:1]), b"x"), *GOOD)),
    "surrogate-name": (None, b"surrogate-name", ((RawName(b"\xed\xa0\x80"), b"x"), *GOOD)),
    "empty-header-name": (None, b"empty-header-name", (("", b"x"), *GOOD)),
    "twice-statement": (None, b"twice-statement", (*GOOD, *GOOD)),
    "ten-thousand-headers": (None, b"ten-thousand-headers", (("h", b""),) * 10_000),
    "long-header": (None, b"long-header", (("statement", b"x" * 500_000),)),
    "long-header-name": (None, b"long-header-name", (("n" * 100_000, b""), *GOOD)),
    "reply-to": (None, b"reply-to", (("reply_to", b"inbox.other.other"), *GOOD)),
    "correlation": (None, b"correlation", (("correlation_id", b"\xff"), ("message_id", b"\xff"))),
    "content-type": (None, b"\x80abc", (("content-type", b"application/json"), *GOOD)),
    "odd-content-type": (None, b"odd-content-type", (("content-type", b"\xff"), *GOOD)),
    "path-header": (None, b"path-header", (("path", b"{topic}"), *GOOD)),
    "not-json": (None, b"{not json", GOOD),
    "deep-json": (None, b"[" * 100_000, GOOD),
    "odd-utf8": (None, b"\xff" * 100, GOOD),
    "largest": (None, b"x" * 2_090_000, GOOD),
}
# name -> what the handler raises for it
RAISES = {
    "value-error": ValueError("x"),
    "key-error": KeyError("x"),
    "assertion": AssertionError(),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    "recursion": RecursionError(),
    "group": ExceptionGroup("x", [ValueError("x")]),
    "ack": AckMessage(),
    "skip": SkipMessage(),
    "stop": StopConsume(),
}
OTHERS = {"nack": NackMessage(), "reject": RejectMessage()}

assert len(BYTES) + len(RAISES) == 36
