"""What no register and no reader of keys may take in: part of refused.json (see make_refused).

Each object is whole but for one thing, and signed: whoever refuses it does so for that one thing.
"""

import json
from datetime import timedelta
from typing import Any

from meldeweg.kernel import topics
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps
from meldeweg.kernel.trust.issue import revoke_key
from vectors import make_way as way
from vectors.make_way import ANCHOR, AUDIT, IDENTITY, LOST, NOW, OFFICE, POLICE, REGISTRY, SIGN

WAY = json.loads(way.FILE.read_text())
STRANGER = SigningKey(way.drawn("stranger"))
AGENCIES, AGREEMENTS = topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS
KEYS, SNAPSHOTS = topics.keys(POLICE), topics.REGISTRY_SNAPSHOTS
AT = to_rfc3339(NOW)
JWK = {name: part for name, part in STRANGER.private_jwk().items() if name != "d"}
LIFE = timedelta(days=30)
LONG = f"{'a' * 40}-{'a' * 40}"
WAITING = (
    "suspended by a partner",
    "resumed by itself",
    "suspended by the audit's key",
    "a snapshot by the audit",
    "a snapshot by the anchor",
)


def place(topic: str, nth: int = 0) -> int:
    """Return the index of a record of way.json."""
    return [at for at, each in enumerate(WAY["records"]) if each["topic"] == topic][nth]


def status(said: str, n: int, key: SigningKey) -> str:
    body = {
        "v": 1,
        "agency": POLICE,
        "status": said,
        "n": n,
        "reason": "Erfunden",
        "at": to_rfc3339(NOW),
    }
    return sign(key, Typ.STATUS, compact(body))


def compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def payload(nth: int, topic: str) -> dict[str, Any]:
    """The payload of a signed object of way.json."""
    token = WAY["records"][place(topic, nth)]["value"]
    body: dict[str, Any] = json.loads(b64u_decode(token.split(".")[1]))
    return body


class Objects:
    """Collects the cases. `waits`: it could still come right, with a key that is not known."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def add(self, name: str, topic: str, value: str | bytes) -> None:
        text = value if isinstance(value, str) else value.decode()
        self.found.append({"name": name, "topic": topic, "value": text, "waits": name in WAITING})

    def issued(self, name: str, key: SigningKey, typ: Typ, body: Any, topic: str) -> None:
        self.add(name, topic, sign(key, typ, compact(body)))


def trust() -> list[dict[str, Any]]:
    """Objects that no register may take in."""
    made = Objects()
    agencies(made)
    keys(made)
    agreements(made)
    return made.found


def agencies(made: Objects) -> None:
    """On registry.agencies."""
    enrolment, service = payload(2, AGENCIES), payload(0, AGENCIES)
    made.issued("enrolled by the registry", REGISTRY, Typ.ENROLMENT, enrolment, AGENCIES)
    made.issued("enrolled by itself", IDENTITY[POLICE], Typ.ENROLMENT, enrolment, AGENCIES)
    made.issued(
        "another identity key", ANCHOR, Typ.ENROLMENT, enrolment | {"identity": JWK}, AGENCIES
    )
    made.issued(
        "another's principal",
        ANCHOR,
        Typ.ENROLMENT,
        enrolment | {"principal": f"gw-{OFFICE}"},
        AGENCIES,
    )
    made.issued("enrolment on a topic of keys", ANCHOR, Typ.ENROLMENT, enrolment, KEYS)
    made.issued("an unknown member", ANCHOR, Typ.ENROLMENT, enrolment | {"note": "x"}, AGENCIES)
    made.issued(
        "members in another order",
        ANCHOR,
        Typ.ENROLMENT,
        dict(reversed(enrolment.items())),
        AGENCIES,
    )
    made.add("a space", AGENCIES, sign(ANCHOR, Typ.ENROLMENT, json.dumps(enrolment).encode()))
    for name, changes in (
        ("no name", {"name": ""}),
        ("a name of 201 characters", {"name": "a" * 201}),
        ("201 municipalities", {"municipalities": [f"05{n:06}" for n in range(201)]}),
        ("an agency of 81 characters", {"agency": LONG, "principal": f"gw-{LONG}"}),
    ):
        made.issued(name, ANCHOR, Typ.ENROLMENT, enrolment | changes, AGENCIES)
    for name, reason in (("for no reason", ""), ("for a reason of 501 characters", "a" * 501)):
        brake = {"v": 1, "agency": POLICE, "status": "suspended", "n": 5, "reason": reason}
        made.issued(f"suspended {name}", REGISTRY, Typ.STATUS, brake | {"at": AT}, AGENCIES)
    made.issued("a service key by an agency", IDENTITY[POLICE], Typ.SERVICE_KEY, service, AGENCIES)
    made.issued(
        "an unknown service", ANCHOR, Typ.SERVICE_KEY, service | {"service": "watch"}, AGENCIES
    )
    made.add("revoked by the registry", AGENCIES, status("revoked", 5, REGISTRY))
    made.add("resumed by itself", AGENCIES, status("active", 5, IDENTITY[POLICE]))
    made.add("suspended by a partner", AGENCIES, status("suspended", 5, IDENTITY[OFFICE]))
    made.add("suspended by the audit's key", AGENCIES, status("suspended", 5, AUDIT))
    made.add("status number 0", AGENCIES, status("suspended", 0, REGISTRY))
    made.add("nonsense", AGENCIES, "nonsense")


def keys(made: Objects) -> None:
    """On keys.<agency>."""
    certificate = payload(0, KEYS)
    made.issued("a key by a signing key", SIGN[POLICE], Typ.KEY, certificate, KEYS)
    made.issued("a key by the anchor", ANCHOR, Typ.KEY, certificate, KEYS)
    made.issued("a key by a partner", IDENTITY[OFFICE], Typ.KEY, certificate, KEYS)
    made.issued(
        "a key on a partner's topic", IDENTITY[POLICE], Typ.KEY, certificate, topics.keys(OFFICE)
    )
    own = IDENTITY[POLICE]
    sealing, weak = (
        way.SEAL[POLICE].public.public_jwk(),
        JWK | {"x": b64u_encode(b"\1" + bytes(31))},
    )
    for name, changes in (
        ("a sealing key to sign with", {"key": sealing}),
        ("a signing key to seal to", {"use": "seal"}),
        ("a private key", {"key": STRANGER.private_jwk()}),
        ("another key's kid", {"key": JWK | {"kid": own.kid}}),
        ("a weak key", {"key": {name: part for name, part in weak.items() if name != "kid"}}),
        (
            "a key that ends before it begins",
            {"use_until": AT, "not_before": to_rfc3339(NOW + LIFE)},
        ),
        ("a key that is used after it ends", {"valid_until": to_rfc3339(NOW + timedelta(days=1))}),
        ("a key for another use", {"use": "encrypt"}),
    ):
        made.issued(name, own, Typ.KEY, certificate | changes, KEYS)
    made.add(
        "revoked by a partner",
        KEYS,
        revoke_key(IDENTITY[OFFICE], POLICE, SIGN[POLICE].kid, "Erfunden", NOW),
    )
    made.add(
        "revoked by the key itself",
        KEYS,
        revoke_key(SIGN[POLICE], POLICE, SIGN[POLICE].kid, "Erfunden", NOW),
    )
    reads = {"v": 1, "agency": POLICE, "types": {"notification": [1]}, "at": AT}
    for name, types in (
        ("version 1000", {"notification": [1000]}),
        ("101 versions", {"notification": [1] * 101}),
        ("101 types", {f"t{n}": [1] for n in range(101)}),
        ("a type without a name", {"": [1]}),
        ("a type of 61 characters", {"a" * 61: [1]}),
    ):
        made.issued(f"it reads {name}", SIGN[POLICE], Typ.READS, reads | {"types": types}, KEYS)
    for name, reason in (("for no reason", ""), ("for a reason of 501 characters", "a" * 501)):
        revoked = {"v": 1, "agency": POLICE, "kid": SIGN[POLICE].kid, "reason": reason, "at": AT}
        made.issued(f"a key revoked {name}", own, Typ.KEY_REVOKED, revoked, KEYS)
    made.issued("what it reads, by a revoked key", LOST, Typ.READS, reads, KEYS)
    made.issued(
        "what it reads, by the identity key of another",
        IDENTITY[OFFICE],
        Typ.KEY_REVOKED,
        reads,
        KEYS,
    )


def agreements(made: Objects) -> None:
    """On registry.agreements and registry.snapshots."""
    document = json.loads(WAY["pinned"]["agreement"])
    digest = WAY["expected"]["agreement"]
    signature = {"v": 1, "agreement": digest, "agency": POLICE, "at": AT}
    made.issued(
        "an agreement signed by a signing key",
        SIGN[POLICE],
        Typ.AGREEMENT_SIGNATURE,
        signature,
        AGREEMENTS,
    )
    made.issued(
        "an agreement signed by the other party",
        IDENTITY[OFFICE],
        Typ.AGREEMENT_SIGNATURE,
        signature,
        AGREEMENTS,
    )
    made.issued(
        "an agreement signed by no party",
        ANCHOR,
        Typ.AGREEMENT_SIGNATURE,
        signature | {"agency": "polizei-musterstadt"},
        AGREEMENTS,
    )
    made.add("an agreement with an unknown member", AGREEMENTS, dumps(document | {"colour": "red"}))
    made.add(
        "an agreement with a name twice",
        AGREEMENTS,
        dumps(document).replace(b'{"calendar"', b'{"v":1,"calendar"'),
    )
    made.add(
        "an agreement with a number minus nothing",
        AGREEMENTS,
        dumps(document).replace(b'"lead_minutes":0', b'"lead_minutes":-0', 1),
    )
    nobody = [party | {"municipalities": []} for party in document["parties"]]
    made.add("a municipality without an office", AGREEMENTS, dumps(document | {"parties": nobody}))
    snapshot = {"v": 1, "n": 2, "at": AT, "topics": {}}
    made.issued("a snapshot by the audit", AUDIT, Typ.SNAPSHOT, snapshot, SNAPSHOTS)
    made.issued("a snapshot by the anchor", ANCHOR, Typ.SNAPSHOT, snapshot, SNAPSHOTS)
    end = {"a b": {"end": 0, "digest": "0" * 64}}
    made.issued(
        "a snapshot of what is no topic",
        REGISTRY,
        Typ.SNAPSHOT,
        snapshot | {"topics": end},
        SNAPSHOTS,
    )
    late = snapshot | {"at": to_rfc3339(NOW + timedelta(days=4000))}
    made.issued("a snapshot after its key's end", REGISTRY, Typ.SNAPSHOT, late, SNAPSHOTS)


def weak_keys() -> list[dict[str, Any]]:
    """Public keys that no reader may take."""
    prime = 2**255 - 19
    good = way.SEAL[POLICE].public.public_jwk()["pub"]
    kem, point = b64u_decode(good)[:1184], b64u_decode(good)[1184:]

    def signing(name: str, x: bytes) -> dict[str, Any]:
        return {"name": name, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64u_encode(x)}}

    def sealing(name: str, pub: bytes) -> dict[str, Any]:
        return {"name": name, "jwk": {"kty": "AKP", "alg": "HPKE-9-KE", "pub": b64u_encode(pub)}}

    def number(n: int) -> bytes:
        return n.to_bytes(32, "little")

    eighth = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
    small = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
    ordinary = SIGN[POLICE].public.public_jwk()
    return [
        signing("order 1", number(1)),
        signing("order 2", number(prime - 1)),
        signing("order 4", number(0)),
        signing("order 4, the other sign", number(2**255)),
        signing("order 8", eighth),
        signing("not canonical: y is p", number(prime)),
        signing("not canonical: y is p + 1", number(prime + 1)),
        signing("not canonical: minus zero", number(1 + 2**255)),
        signing("not on the curve", number(2)),
        signing("31 bytes", bytes(31)),
        {"name": "a member more", "jwk": ordinary | {"key_ops": ["verify"]}},
        {"name": "for another use", "jwk": ordinary | {"use": "enc"}},
        {"name": "another curve", "jwk": ordinary | {"crv": "Ed448"}},
        {"name": "another's kid", "jwk": ordinary | {"kid": SIGN[OFFICE].kid}},
        {"name": "padding", "jwk": ordinary | {"x": ordinary["x"] + "="}},
        sealing("X25519 of order 2", kem + number(0)),
        sealing("X25519 of order 4", kem + number(1)),
        sealing("X25519 of order 8", kem + small),
        sealing("X25519 of order 4 on the twist", kem + number(prime - 1)),
        sealing("X25519 not canonical: p", kem + number(prime)),
        sealing(
            "X25519 with its highest bit", kem + number(int.from_bytes(point, "little") | 2**255)
        ),
        sealing("ML-KEM coefficient 3329", _coefficient(kem, 3329) + point),
        sealing("ML-KEM coefficient 4095", _coefficient(kem, 4095) + point),
        sealing("a byte short", kem + point[:-1]),
    ]


def _coefficient(kem: bytes, value: int) -> bytes:
    """Replace the first of the 768 coefficients of 12 bits (FIPS 203, ByteEncode)."""
    return bytes([value & 255, value >> 8 | kem[1] & 0xF0]) + kem[2:]
