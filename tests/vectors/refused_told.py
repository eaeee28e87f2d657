"""Records of `events.<agency>` that must be refused: part of refused.json (see make_refused)."""

from typing import Any

from meldeweg.kernel import topics
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps
from vectors import make_way as way
from vectors.make_way import OFFICE, POLICE, SIGN
from vectors.refused_cases import Cases, token_of
from vectors.refused_trust import STRANGER, WAY, place

EVENT, BEAT = place(topics.events(OFFICE)), place(topics.events(OFFICE), 1)


def told() -> list[dict[str, Any]]:
    """Cases like those of `records`; whoever reads events is no party."""
    cases = Cases({})
    for kind, at in (("event", EVENT), ("heartbeat", BEAT)):
        _around(cases, kind, at)
        _words(cases, kind, at)
    return [{name: one for name, one in case.items() if name != "me"} for case in cases.records]


def _around(cases: Cases, kind: str, at: int) -> None:
    """Key, value, headers and topic, which nobody signed."""
    headers = WAY["records"][at]["headers"]
    statement, rest = headers[0], headers[1:]
    partner = f"urn:meldeweg:agency:{POLICE}"
    other = "de.meldeweg.heartbeat.v1" if kind == "event" else "de.meldeweg.event.v1"
    cases.add(f"{kind}: as it is", None, at)
    cases.add(f"{kind}: headers in another order", None, at, headers=headers[::-1])
    for name, given in (
        ("another key", {"key": way.message_id(5)}),
        ("no key", {"key": None}),
        ("another value", {"value": "{} "}),
        ("no value", {"value": None}),
        ("a header is missing", {"headers": headers[:-1]}),
        ("a header twice", {"headers": [*headers, headers[-1]]}),
        ("a header more", {"headers": [*headers, ["traceparent", "00"]]}),
        ("a null header more", {"headers": [*headers, ["traceparent", None]]}),
        ("a null header", {"headers": [*headers[:-1], [headers[-1][0], None]]}),
        ("another ce_id", {"headers": _with(headers, "ce_id", way.message_id(5))}),
        ("another source", {"headers": _with(headers, "ce_source", partner)}),
        ("type of the other kind", {"headers": _with(headers, "ce_type", other)}),
        ("the statement alone", {"headers": [statement]}),
    ):  # fmt: skip
        cases.add(f"{kind}: {name}", "header-contradicts", at, **given)
    cases.add(f"{kind}: no statement", "header-malformed", at, headers=rest)
    cases.add(f"{kind}: two statements", "header-malformed", at, headers=[statement, *headers])
    null = [["statement", None], *rest]
    cases.add(f"{kind}: a null statement", "header-malformed", at, headers=null)
    cases.add(f"{kind}: topic of another", "topic-contradicts", at, topic=topics.events(POLICE))


def _words(cases: Cases, kind: str, at: int) -> None:
    """What its gateway signed."""
    typ = Typ.EVENT if kind == "event" else Typ.HEARTBEAT
    body = b64u_decode(token_of(at).split(".")[1])

    def signed(text: bytes, key: SigningKey = SIGN[OFFICE], typ: Typ = typ) -> str:
        return sign(key, typ, text)

    for name, old, new in (
        ("a space", b'{"v":1,', b'{"v":1, '),
        ("v as true", b'"v":1', b'"v":true'),
        ("an unknown member", b'"v":1', b'"v":1,"colour":"red"'),
        ("a name twice", b'"v":1', b'"v":1,"v":1'),
        ("two decimals", b'0Z"', b'Z"'),
    ):
        assert body.replace(old, new, 1) != body, name
        text = signed(body.replace(old, new, 1))
        cases.add(f"{kind}: {name}", f"{kind}-malformed", at, statement=text)
    for name, head in (
        ("no typ", {}), ("typ null", {"typ": None}), ("typ of a list", {"typ": [typ.value]}),
    ):  # fmt: skip
        token = ".".join(
            [
                b64u_encode(dumps({"alg": "EdDSA", "kid": "k" * 43} | head)),
                *signed(body).split(".")[1:],
            ]
        )
        cases.add(f"{kind}: {name}", "jws-malformed", at, statement=token)
    if kind == "event":
        for name, said in (
            ("an unknown kind", b"closed"),
            ("no kind", b""),
            ("its kind in capitals", b"OPENED"),
        ):
            other = body.replace(b'"kind":"opened"', b'"kind":"%b"' % said, 1)
            assert other != body, name
            cases.add(f"event: {name}", "event-malformed", at, statement=signed(other))
    cases.add(f"{kind}: a stranger", "signer-unknown", at, statement=signed(body, STRANGER))
    cases.add(
        f"{kind}: a partner's key", "signer-unknown", at, statement=signed(body, SIGN[POLICE])
    )
    cases.add(f"{kind}: of another typ", "jws-typ-wrong", at, statement=signed(body, typ=Typ.KEY))
    header = {"alg": "EdDSA", "kid": SIGN[OFFICE].kid, "typ": typ.value, "value_size": 2}
    text = f"{b64u_encode(dumps(header))}.{b64u_encode(body)}"
    extra = f"{text}.{b64u_encode(SIGN[OFFICE].sign(text.encode()))}"
    cases.add(f"{kind}: a size of its value", "jws-malformed", at, statement=extra)
    head, payload, _ = token_of(at).split(".")
    forged = f"{head}.{payload}.{b64u_encode(SIGN[OFFICE].sign(b'something else'))}"
    cases.add(f"{kind}: signature of another", "signature-invalid", at, statement=forged)


def _with(headers: list[list[str]], name: str, value: str) -> list[list[str]]:
    return [[each, value if each == name else one] for each, one in headers]
