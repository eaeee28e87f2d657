"""Every place of a JSON document or a record, bent in every way that a forger or a broken writer
would try."""

import json
from dataclasses import replace

_MARK = "@here@"
_HERE = f'"{_MARK}"'.encode()
# What stands in a member's place, byte for byte.
INSTEAD = {
    "null": b"null",
    "empty text": b'""',
    "empty object": b"{}",
    "empty list": b"[]",
    "a number": b"7",
    "true": b"true",
    "other text": b'"x"',
    "a list of it": b"[%b]",
    "an object of it": b'{"x":%b}',
    "not UTF-8": b'"\xff\xfe"',
    "UTF-16": '"x"'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf"x"',
    "a lone surrogate": b'"\\ud800"',
    "a NUL": b'"\\u0000"',
    "oversize text": b'"%b"' % (b"a" * 20_000),
    "a number of 400 digits": b"1" + b"0" * 400,
    "a number of 5000 digits": b"1" * 5000,
    "a negative number": b"-1",
    "minus nothing": b"-0",
    "a fraction": b"1.5",
    "a fraction of nothing": b"7.0",
    "a power of ten": b"7e0",
    "infinite": b"1e400",
    "NaN": b"NaN",
    "nested 200 deep": b"[" * 200 + b"]" * 200,
    "nested 5000 deep": b'{"x":' * 5000 + b"1" + b"}" * 5000,
    "the end of the calendar": b'"9999-12-31T23:59:59.999Z"',
    "the beginning of the calendar": b'"0001-01-01T00:00:00.000Z"',
    "nothing at all": b"",
    "its value and a blank": b"%b ",
}

# Names of members that nobody asked for. Such as have no letter are lost by who joins names to a
# text and parts it again at its blanks.
STRANGERS = ("surprise", "", " ", "\n", "\u00a0")


def bends(text):
    """Yield (place, how, bent text) for every member and item of a JSON text."""
    document = json.loads(text)
    for path in _places(document):
        shown = "/".join(map(str, path))
        yield shown, "absent", _dumped(_without(document, path))
        marked = _with(document, path, _MARK)
        value = _dumped(_at(document, path))
        for how, instead in INSTEAD.items():
            yield shown, how, _dumped(marked).replace(_HERE, instead.replace(b"%b", value))
        if isinstance(path[-1], str):
            twice = b'%b,"%b":%b' % (value, path[-1].encode(), value)
            yield shown, "there twice", _dumped(marked).replace(_HERE, twice)
            renamed = _with(_without(document, path), (*path[:-1], path[-1].upper()), "x")
            yield shown, "under another name", _dumped(renamed)
            for name in STRANGERS:
                beside = _dumped(_with(document, (*path[:-1], name), 1))
                yield shown, f"with a stranger {name!r} beside it", beside


HEADERS = ("statement", "ce_specversion", "ce_id", "ce_source", "ce_type", "content-type")
ODD = {
    "null": None,
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "UTF-16": "x".encode("utf-16"),
    "oversize": b"a" * 1_000_000,
    "JSON": b'{"x":1}',
    "nested": b"[" * 100_000,
    "a blank behind it": b"%b ",
    "a NUL behind it": b"%b\x00",
}


def bent_records(good):
    """Yield (place, how, bent record) for header, key, value and topic of a record."""
    for n, (name, value) in enumerate(good.headers):
        others = good.headers[:n] + good.headers[n + 1 :]
        yield name, "absent", replace(good, headers=others)
        for how, odd in ODD.items():
            new = odd.replace(b"%b", value) if odd else odd
            yield name, how, replace(good, headers=(*others, (name, new)))
            yield name, f"twice, once {how}", replace(good, headers=(*good.headers, (name, new)))
        yield name, "there twice", replace(good, headers=(*good.headers, (name, value)))
        for odd in (name.upper(), f" {name}", f"{name}\x00", "\udcff", "", "a" * 100_000):
            yield name, f"named {odd[:9]!r}", replace(good, headers=(*others, (odd, value)))
    for how, odd in ODD.items():
        yield "key", how, replace(good, key=odd.replace(b"%b", good.key) if odd else odd)
        yield "value", how, replace(good, value=odd.replace(b"%b", good.value) if odd else odd)
    yield "headers", "none", replace(good, headers=())
    yield "headers", "ten thousand", replace(good, headers=(*good.headers, *[("x", b"")] * 10_000))
    kind, owner, *_ = good.topic.split(".")
    for topic in ("", kind, f"{kind}.{owner}x", f"{good.topic}.x", f"{kind}..", "\udcff"):
        yield "topic", topic, replace(good, topic=topic)


def _places(value, path=()):
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:1]  # the others are like it
    else:
        return
    for name, one in inner:
        yield (*path, name)
        yield from _places(one, (*path, name))


def _at(value, path):
    for step in path:
        value = value[step]
    return value


def _with(value, path, new):
    if not path:
        return new
    copied = value.copy()
    if isinstance(copied, dict):
        copied[path[0]] = _with(copied.get(path[0]), path[1:], new)
    else:
        copied[path[0]] = _with(copied[path[0]], path[1:], new)
    return copied


def _without(value, path):
    copied = value.copy()
    if len(path) == 1:
        del copied[path[0]]
    else:
        copied[path[0]] = _without(copied[path[0]], path[1:])
    return copied


def _dumped(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
