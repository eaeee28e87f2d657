"""The vectors' little district, with all of its private keys: so that targets can sign and seal.

What a hostile agency may sign is what reaches furthest; so most targets take the words, not the
signature.
"""

import json
from functools import cache

from meldeweg.envelope import seal
from meldeweg.kernel import signing
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import Context
from meldeweg.kernel.trust.register import Register
from vectors import make_way
from vectors.make_way import ANCHOR, NOW, OFFICE, OVERSIGHT, POLICE, SEAL, SIGN

__all__ = ["ANCHOR", "NOW", "OFFICE", "OVERSIGHT", "POLICE", "SEAL", "SIGN"]


@cache
def way():
    """Return the file of the vectors."""
    return json.loads(make_way.FILE.read_text(encoding="utf-8"))


@cache
def records():
    """Return every record of the way, as the bus would hand it over."""
    return [
        Record(
            each["topic"],
            0,
            each["offset"],
            int(NOW.timestamp() * 1000),
            each["key"].encode() if each["key"] else None,
            each["value"].encode(),
            tuple((name, value.encode()) for name, value in each["headers"]),
        )
        for each in way()["records"]
    ]


def on(prefix):
    return [record for record in records() if record.topic.startswith(prefix)]


@cache
def register():
    """Return the view that every honest reader has."""
    filled = Register(ANCHOR.public)
    for record in on("registry.") + on("keys."):
        filled.apply(record.topic, record.value)
    return filled


@cache
def message():
    """Return the record of the one message."""
    return on(f"inbox.{OFFICE}.{POLICE}")[0]


@cache
def told():
    return statements.parse(message().header("statement"))


def tokens(*prefixes):
    return [
        record.header("statement") or record.value
        for prefix in prefixes
        for record in on(prefix)
        if record.value[:1] != b"{" or record.headers
    ]


def payloads(*typs):
    """Return the signed words of these kinds."""
    found = list(tokens("registry.", "keys.", "inbox.", "events."))
    return [
        signing.parse(token, typ, extra=_extra(typ)).payload
        for token in found
        for typ in typs
        if signing.typ_of(token) is typ
    ]


def _extra(typ):
    return statements.VALUE_EXTRAS if typ is signing.Typ.STATEMENT else frozenset()


def signed(context: bytes, value: bytes, key=None, about=None) -> Record:
    """Return a message's record over these bytes, signed by its sender, headers as they belong."""
    token = statements.sign(context, value, key or SIGN[POLICE])
    about = about or told().context
    return Record(
        message().topic,
        0,
        0,
        message().timestamp,
        about.id.encode(),
        value,
        (("statement", token), *statements.cloud_events(about)),
    )


def sealed(plaintext: bytes, record: bytes) -> Record:
    """Return a message whose content is `plaintext`, and which commits to `record`."""
    members = told().context.model_dump() | {"record_sha256": Digest.of(record)}
    context = Context(**members)
    aad = Digest.of(context.bytes()).raw()
    officers = [OVERSIGHT[agency].public for agency in (POLICE, OFFICE)]
    value = b'{"content":%b,"record":%b}' % (
        seal(plaintext, [SEAL[OFFICE].public], aad),
        seal(record, officers, aad),
    )
    return signed(context.bytes(), value, about=context)


@cache
def opened() -> bytes:
    """Return the plaintext of the one message's content."""
    from meldeweg.envelope import open_sealed

    value = message().value
    content = value[len(b'{"content":') : value.index(b',"record":')]
    return open_sealed(content, SEAL[OFFICE], told().aad)
