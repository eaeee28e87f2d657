"""How a case of refused.json is made (see make_refused): from a record of way.json, with the keys
of make_way, so that it is right but for what the case changes."""

import hashlib
from typing import Any

from meldeweg.envelope import seal
from meldeweg.kernel import topics
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps
from vectors import make_way as way
from vectors.make_way import OFFICE, POLICE, SIGN
from vectors.refused_trust import WAY, place

INBOX = topics.inbox(OFFICE, POLICE)
JUDGED = "2026-11-22T18:20:00.000Z"


MESSAGE, DELIVERED, ACKNOWLEDGED = (
    place(INBOX), place(topics.inbox(POLICE, OFFICE)), place(topics.inbox(POLICE, OFFICE), 1)
)  # fmt: skip


def token_of(at: int) -> str:
    return str(dict(WAY["records"][at]["headers"])["statement"])


def context_of(at: int) -> bytes:
    return b64u_decode(token_of(at).split(".")[1])


def value_of(at: int) -> bytes:
    return bytes(WAY["records"][at]["value"].encode())


def signed(context: bytes, value: bytes, key: SigningKey = SIGN[POLICE], **header: Any) -> str:
    """Return a statement whose header has these members in place of its own; None: without it."""
    head = {
        "alg": "EdDSA",
        "kid": key.kid,
        "typ": Typ.STATEMENT.value,
        "value_sha256": hashlib.sha256(value).hexdigest(),
        "value_size": len(value),
    } | header
    text = b64u_encode(dumps({name: item for name, item in head.items() if item is not None}))
    text += "." + b64u_encode(context)
    return f"{text}.{b64u_encode(key.sign(text.encode()))}"


class Cases:
    """Collects the cases; `pinned` are values that were sealed once."""

    def __init__(self, pinned: dict[str, str]) -> None:
        self.pinned = pinned
        self.records: list[dict[str, Any]] = []

    def add(self, name: str, code: str | None, at: int = MESSAGE, **given: Any) -> None:
        case: dict[str, Any] = {"name": name, "code": code, "at": at}
        case["me"] = POLICE if at in (DELIVERED, ACKNOWLEDGED) else OFFICE
        case["now"] = given.pop("now", JUDGED)
        for what in ("drop", "add"):
            if what in given:
                case[what] = given.pop(what)
        self.records.append(case | {"set": given})

    def context(self, name: str, old: str, new: str, code: str = "context-malformed") -> None:
        """The context with one change, signed by the sender's own key."""
        changed = context_of(MESSAGE).replace(old.encode(), new.encode(), 1)
        assert changed != context_of(MESSAGE), name
        self.add(name, code, statement=signed(changed, value_of(MESSAGE)))

    def value(
        self, name: str, value: bytes, code: str | None, at: int = MESSAGE, **given: Any
    ) -> None:
        """Another value under the same context, signed by the sender's own key."""
        assert value != value_of(at), name
        token = signed(context_of(at), value, SIGN[POLICE if at == MESSAGE else OFFICE])
        self.add(name, code, at, statement=token, value=value.decode(), **given)

    def sealed(
        self,
        name: str,
        code: str | None,
        content: bytes,
        record: bytes,
        context: bytes,
        at: int,
        **given: Any,
    ) -> None:
        """Content and record sealed anew to the right keys and with the right aad."""
        sender = SIGN[POLICE] if at == MESSAGE else SIGN[OFFICE]
        to = OFFICE if at == MESSAGE else POLICE
        if name not in self.pinned:
            aad = hashlib.sha256(context).digest()
            officers = [way.OVERSIGHT[each].public for each in (POLICE, OFFICE)]
            self.pinned[name] = (
                b'{"content":%b,"record":%b}'
                % (seal(content, [way.SEAL[to].public], aad), seal(record, officers, aad))
            ).decode()
        value = self.pinned[name]
        token = signed(context, value.encode(), sender)
        self.add(name, code, at, statement=token, value=value, **given)
