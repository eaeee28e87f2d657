"""Cases of refused.json (see make_refused) that only show in what is sealed: steps 7 to 9."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from meldeweg.envelope import open_sealed
from meldeweg.kernel import topics
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps
from vectors import make_way as way
from vectors.make_way import IDENTITY, NOW, OFFICE, SEAL, SIGN
from vectors.refused_cases import (
    ACKNOWLEDGED,
    DELIVERED,
    MESSAGE,
    Cases,
    context_of,
    signed,
    value_of,
)
from vectors.refused_trust import LIFE, WAY, compact, place

MALFORMED = "envelope-malformed"


def seventh_step(cases: Cases) -> None:
    """What is sealed: the same context, another value, signed by the sender himself."""
    value = value_of(MESSAGE)
    first, _, second = value.removeprefix(b'{"content":')[:-1].partition(b',"record":')
    both = b'{"content":%b,"record":%b}'
    one, two = json.loads(first), json.loads(second)
    elsewhere = b64u_encode(bytes(32))
    cases.value(
        "a space in the value", value.replace(b',"record"', b', "record"'), "value-malformed"
    )
    for name, one_of_both in (
        ("a blank behind the content's envelope", (first + b" ", second)),
        ("a blank before the content's envelope", (b" " + first, second)),
        ("a blank behind the record's envelope", (first, second + b"\n")),
        ("a blank before the record's envelope", (first, b"\t" + second)),
        ("a number for an envelope", (b"1", second)),
    ):
        cases.value(name, both % one_of_both, "value-malformed")
    for where, bent_one, bent_two in _with_strangers(one, two):
        cases.value(where, both % (bent_one, bent_two), MALFORMED)
    unfinished = second[:-1] + b",}"
    cases.value("the content's envelope no JSON", both % (first[:-1] + b",}", second), MALFORMED)
    cases.value("the record's envelope no JSON", both % (first, unfinished), MALFORMED)
    cases.value(
        "both wrong: the content comes first",
        both % (dumps(one | {"tag": _flipped(one["tag"])}), unfinished),
        "envelope-unreadable",
    )
    cases.value(
        "record before content", b'{"record":%b,"content":%b}' % (second, first), "value-malformed"
    )
    cases.value("nothing sealed", b"{}", "value-malformed")
    cases.value("content and record exchanged", both % (second, first), "envelope-not-for-this-key")
    cases.value("content twice", both % (first, first), "oversight-contradicts")
    cases.value(
        "a third party reads why",
        both % (first, dumps(two | {"recipients": two["recipients"] + one["recipients"]})),
        "oversight-contradicts",
    )
    _readers(cases, one, two, second)
    cases.value(
        "an officer left out",
        both % (first, dumps(two | {"recipients": two["recipients"][:1]})),
        "oversight-contradicts",
    )
    cases.value(
        "content of another context",
        both % (dumps(one | {"aad": elsewhere}), second),
        "envelope-aad-mismatch",
    )
    cases.value(
        "record of another context",
        both % (first, dumps(two | {"aad": elsewhere})),
        "envelope-aad-mismatch",
    )
    cases.value(
        "content's tag changed",
        both % (dumps(one | {"tag": _flipped(one["tag"])}), second),
        "envelope-unreadable",
    )
    cases.value(
        "record's envelope malformed",
        both % (first, dumps(two | {"tag": two["tag"] + "=="})),
        "envelope-malformed",
    )
    cases.value("an envelope not in sorted form", both % (json.dumps(one).encode(), second), None)


def _with_strangers(one: Any, two: Any) -> Iterator[tuple[str, bytes, bytes]]:
    """Members more, whose names have no letter."""
    for what, name in (("without a name", ""), ("named by a blank", " ")):
        more = {name: 1}
        entry = one["recipients"][0]
        beside = entry | {"header": entry["header"] | more}
        yield f"content's envelope: a member {what}", dumps(one | more), dumps(two)
        yield f"its recipient: {what}", dumps(one | {"recipients": [entry | more]}), dumps(two)
        yield f"its header: {what}", dumps(one | {"recipients": [beside]}), dumps(two)
        yield f"record's envelope: a member {what}", dumps(one), dumps(two | more)


def _readers(cases: Cases, one: Any, two: Any, second: bytes) -> None:
    """Who can read the content besides, and whether the key it is sealed to counts."""
    both, code = b'{"content":%b,"record":%b}', "readers-contradict"
    mine, officers = one["recipients"], two["recipients"]
    cases.value(
        "a third party reads the content",
        both % (dumps(one | {"recipients": mine + officers[:1]}), second),
        code,
    )
    cases.value(
        "the recipient's officer reads the content, named first",
        both % (dumps(one | {"recipients": officers[1:] + mine}), second),
        code,
    )
    stranger = mine[0] | {"header": mine[0]["header"] | {"kid": "A" * 43}}
    read_by_all = both % (dumps(one | {"recipients": [*mine, stranger]}), second)
    cases.value("somebody uncertified reads the content", read_by_all, code)
    answer = value_of(ACKNOWLEDGED)
    first, _, rest = answer.removeprefix(b'{"content":')[:-1].partition(b',"record":')
    told = json.loads(first)
    third = dumps(told | {"recipients": told["recipients"] + officers[1:]})
    cases.value("a third party reads who acknowledged", both % (third, rest), code, ACKNOWLEDGED)
    changed = both % (dumps(one | {"tag": _flipped(one["tag"])}), second)
    absent, key = {"drop": [_certificate(SEAL[OFFICE].kid)]}, "the recipient's key"
    cases.add(f"{key} not certified", "key-not-yet-valid", **absent)
    cases.value(f"{key} not certified, and changed", changed, "key-not-yet-valid", **absent)
    for what, use, begins, why in (
        ("has ended", "seal", NOW - 2 * LIFE, "key-expired"),
        ("is for later", "seal", NOW + LIFE, "key-not-yet-valid"),
        ("is an officer's", "oversight", NOW, "key-use-wrong"),
    ):
        again = [[topics.keys(OFFICE), _certified(use, begins)]]
        cases.add(f"{key} {what}", why, add=again)
        cases.value(f"{key} {what}, and changed", changed, why, add=again)


def _certificate(kid: str) -> int:
    """Where the office's certificate of this key lies."""
    for at, each in enumerate(WAY["records"]):
        if each["topic"] == topics.keys(OFFICE):
            key = json.loads(b64u_decode(each["value"].split(".")[1])).get("key", {})
            if key.get("kid") == kid:
                return at
    raise KeyError(kid)


def _certified(use: str, begins: datetime) -> str:
    """The office's key for sealing, certified again and for another time or use."""
    body = json.loads(
        b64u_decode(WAY["records"][_certificate(SEAL[OFFICE].kid)]["value"].split(".")[1])
    )
    changes = {"use": use, "not_before": begins, "use_until": begins + LIFE / 2}
    changes |= {"valid_until": begins + LIFE, "at": NOW}
    told = {
        name: to_rfc3339(each) if isinstance(each, datetime) else each
        for name, each in changes.items()
    }
    return sign(IDENTITY[OFFICE], Typ.KEY, compact(body | told))


def _flipped(text: str) -> str:
    octets = bytearray(b64u_decode(text))
    octets[len(octets) // 2] ^= 1
    return b64u_encode(bytes(octets))


def later_steps(cases: Cases) -> None:
    """What only shows when it is open: sealed anew, to the right keys and for the right context."""
    context, payload = context_of(MESSAGE), WAY["pinned"]["payload"].encode()
    record = opened(MESSAGE)

    def content(record: bytes, attachments: bytes = b"[]") -> bytes:
        text = dumps(record.decode())
        return b'{"attachments":%b,"payload":%b,"record":%b}' % (attachments, payload, text)

    def committed(record: bytes, **changes: str) -> bytes:
        body = json.loads(context) | {"record_sha256": hashlib.sha256(record).hexdigest()}
        return compact(body | changes)

    def sealed(name: str, code: str, content: bytes, record: bytes, context: bytes) -> None:
        cases.sealed(name, code, content, record, context, MESSAGE)

    sealed("content is no object", "content-malformed", b"[]", record, context)
    space = content(record).replace(b',"payload"', b', "payload"')
    sealed("a space in the content", "content-malformed", space, record, context)
    for name, new in (
        ("a blank behind the payload", b'} ,"record":"'),
        ("a payload that is no object", b'}],"record":"'),
    ):
        bent_content = content(record).replace(b'},"record":"', new)
        sealed(name, "content-malformed", bent_content, record, context)
    sealed("content that ends early", "content-malformed", content(record)[:-1], record, context)
    for name, code, listed in (
        ("attachments that are no JSON", "content-malformed", b"[}"),
        ("attachments null", "attachments-unknown", b"null"),
    ):
        sealed(name, code, content(record, listed), record, context)
    attached = content(record, b'[{"name":"x"}]')
    sealed("an attachment", "attachments-unknown", attached, record, context)
    other = record.replace(b'"version":1', b'"version":2')
    sealed(
        "another record than was committed to", "record-mismatch", content(other), record, context
    )
    twice = record.replace(b'"grounds":', b'"grounds":["neglect"],"grounds":')
    sealed(
        "a record with a name twice", "record-malformed", content(twice), twice, committed(twice)
    )
    spaced = record.replace(b'{"v":1,', b'{"v":1, ')
    sealed(
        "a record not in signed form",
        "record-malformed",
        content(spaced),
        spaced,
        committed(spaced),
    )
    purpose = json.loads(record)["purpose"]
    bent = record.replace(compact(purpose), compact("Ein anderer Zweck (erfunden)"))
    sealed(
        "another purpose than the clause's",
        "record-contradicts",
        content(bent),
        bent,
        committed(bent),
    )
    for created, code in (
        ("2019-01-01T12:00:00.000Z", "agreement-unsigned"),
        ("2026-11-20T22:59:59.999Z", "agreement-unsigned"),
        ("2026-11-20T23:00:00.000Z", None),
    ):
        made = committed(record, created=created)
        sealed(f"made {created}, signed on the 22nd", code, content(record), record, made)
    document = place(topics.REGISTRY_AGREEMENTS)
    cases.add("agreement not seen yet", "agreement-unknown", drop=[document])
    cases.add("a signature removed", "agreement-unsigned", drop=[document + 1])
    receipts(cases)


def opened(at: int) -> bytes:
    """The record inside the pinned value."""
    second = value_of(at)[:-1].partition(b',"record":')[2]
    aad = hashlib.sha256(context_of(at)).digest()
    return open_sealed(second, way.OVERSIGHT[OFFICE], aad)


def receipts(cases: Cases) -> None:
    """Receipts, signed by the agency that gives them."""

    def receipt(
        name: str, code: str, at: int, old: str, new: str, value: bytes | None = None
    ) -> None:
        context = context_of(at).replace(old.encode(), new.encode(), 1)
        said = value_of(at) if value is None else value
        given: dict[str, Any] = {} if value is None else {"value": said.decode()}
        cases.add(name, code, at, statement=signed(context, said, SIGN[OFFICE]), **given)

    delivered, acknowledged = '"kind":"delivered"', '"kind":"acknowledged"'
    receipt(
        "delivered with a code",
        "context-malformed",
        DELIVERED,
        '"offset":0',
        '"offset":0,"code":"too-late"',
    )
    receipt("refused without a code", "context-malformed", DELIVERED, delivered, '"kind":"refused"')
    receipt("an unknown kind", "context-malformed", DELIVERED, delivered, '"kind":"read"')
    receipt(
        "a receipt with an urgency",
        "context-malformed",
        DELIVERED,
        '"exercise"',
        '"urgency":"today","exercise"',
    )
    receipt(
        "an offset of 2^53",
        "context-malformed",
        DELIVERED,
        '"offset":0',
        '"offset":9007199254740992',
    )
    receipt("acknowledged by nobody", "receipt-contradicts", DELIVERED, delivered, acknowledged)
    receipt(
        "delivered with a value",
        "receipt-contradicts",
        DELIVERED,
        "xxx",
        "",
        value_of(ACKNOWLEDGED),
    )
    receipt("acknowledged without its value", "receipt-contradicts", ACKNOWLEDGED, "xxx", "", b"{}")
    receipt(
        "acknowledged turned into erased",
        "envelope-aad-mismatch",
        ACKNOWLEDGED,
        acknowledged,
        '"kind":"erased"',
    )
    record, base = opened(ACKNOWLEDGED), json.loads(context_of(ACKNOWLEDGED))
    who = {"by": "Max Muster (erfunden)", "v": 1}
    for name, code, payload, said in (
        ("a receipt whose record names another message", "receipt-contradicts", who,
         record.replace(b'"of":"d', b'"of":"e')),
        ("a receipt by nobody", "receipt-malformed", {"v": 1}, record),
        ("a receipt by an empty name", "receipt-malformed", who | {"by": ""}, record),
        ("a receipt by 201 characters", "receipt-malformed", who | {"by": "ü" * 201}, record),
        ("a receipt by 200 characters", None, who | {"by": "ü" * 200}, record),
        ("a receipt's reason null", "receipt-malformed", who | {"reason": None}, record),
        ("a receipt with a list", "receipt-malformed", who | {"reason": []}, record),
        ("a receipt whose record has a code of no form", "receipt-malformed", who,
         record.replace(b',"nonce"', b',"code":"Too late","nonce"')),
        ("a receipt whose nonce has a bit too many", "receipt-malformed", who,
         record[:-3] + b'n"}'),
        ("a reason that the record lacks", "receipt-contradicts",
         who | {"reason": "Erfunden"}, record),
        ("responsible without its code", "receipt-contradicts",
         who | {"responsible": "jugendamt-nettetal"},
         record.replace(b',"nonce"', b',"responsible":"jugendamt-nettetal","nonce"')),
    ):  # fmt: skip
        context = compact(base | {"record_sha256": hashlib.sha256(said).hexdigest()})
        content = dumps({"attachments": [], "payload": payload, "record": said.decode()})
        cases.sealed(name, code, content, said, context, ACKNOWLEDGED)
