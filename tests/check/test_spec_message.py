"""docs/spec/message.md suffices: its words, a few primitives, and no line of our code.

Everything here was written from the page. It walks tests/vectors/way.json from the trust anchor to
the acknowledgement, and opens tests/vectors/sealed.json. If page and code part ways, this fails.
"""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VECTORS = Path(__file__).parents[1] / "vectors"
WAY = json.loads((VECTORS / "way.json").read_text())
SEALED = json.loads((VECTORS / "sealed.json").read_text())


# --- § 1 forms, § 2 keys ----------------------------------------------------------------------


def b64u(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert to_b64u(raw) == text
    return raw


def to_b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def instant(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def once(pairs):
    members = dict(pairs)
    assert len(members) == len(pairs), "a name twice"
    return members


def strict(raw):
    return json.loads(raw.decode("utf-8"), object_pairs_hook=once)


def compact(value):
    # Python writes exactly the escapes of RFC 8785 except in this one place.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def thumbprint(jwk):
    names = {"OKP": ("crv", "kty", "x"), "AKP": ("alg", "kty", "pub")}[jwk["kty"]]
    return to_b64u(sha256(compact({name: jwk[name] for name in names})))


# --- § 3 signed objects -----------------------------------------------------------------------

MEMBERS = {
    "statement": "v id kind from to created urgency ack_by exercise agreement seq record_sha256"
    " delete_after receipt",
    "event": "v id agency kind at message urgency exercise actor_ref code partner topic offset"
    " record_sha256",
    "heartbeat": "v id agency at sent received parked quarantined waiting stale_contacts",
    "enrolment": "v agency name kind municipalities identity principal at",
    "service-key": "v service key not_before verify_until at",
    "key": "v agency use key not_before use_until valid_until at",
    "key-revoked": "v agency kid reason at",
    "reads": "v agency types at",
    "agreement-signature": "v agreement agency at",
    "snapshot": "v n at topics",
}

RECORD = (
    "v type version grounds clause legal_basis purpose urgency actor_ref addressee"
    " data_categories labels entrusted places handover_at thread in_reply_to override nonce"
)


def kind_of(token):
    header = strict(b64u(token.split(".")[0]))
    return header["typ"].removeprefix("meldeweg.").removesuffix(".v1+jws")


def verified(token, kind, key):
    """The header and payload of a JWS of this kind under this public JWK."""
    head, payload, signature = token.split(".")
    header = strict(b64u(head))
    extra = {"value_sha256", "value_size"} if kind == "statement" else set()
    assert header.keys() == {"alg", "kid", "typ"} | extra
    assert header["alg"] == "EdDSA"
    assert header["typ"] == f"meldeweg.{kind}.v1+jws"
    assert header["kid"] == thumbprint(key)
    public = Ed25519PublicKey.from_public_bytes(b64u(key["x"]))
    public.verify(b64u(signature), f"{head}.{payload}".encode())
    body = strict(b64u(payload))
    order = MEMBERS[kind].split()
    assert list(body) == [name for name in order if name in body], "not in signed form"
    assert compact(body) == b64u(payload), "not in signed form"
    return header, body


# --- § 7 sealing ------------------------------------------------------------------------------

PROTECTED = to_b64u(b'{"alg":"HPKE-9-KE","enc":"A256GCM","typ":"meldeweg.sealed.v1+jwe"}')


def lp(text):
    return len(text).to_bytes(2) + text


def opened(envelope, seed, aad):
    """Steps 1 to 6, with nothing but ML-KEM-768, X25519, SHA-3, SHAKE256 and AES-GCM."""
    assert set(envelope) == {"aad", "ciphertext", "iv", "protected", "recipients", "tag"}
    assert envelope["protected"] == PROTECTED
    assert b64u(envelope["aad"]) == aad
    expanded = hashlib.shake_256(seed).digest(96)
    m = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    x = X25519PrivateKey.from_private_bytes(expanded[64:])
    pk_x = x.public_key().public_bytes_raw()
    public = to_b64u(m.public_key().public_bytes_raw() + pk_x)
    kid = thumbprint({"kty": "AKP", "alg": "HPKE-9-KE", "pub": public})
    (mine,) = [each for each in envelope["recipients"] if each["header"]["kid"] == kid]
    ek, wrapped = b64u(mine["header"]["ek"]), b64u(mine["encrypted_key"])
    assert (len(ek), len(wrapped)) == (1120, 48)
    ct_m, ct_x = ek[:1088], ek[1088:]  # 1
    ss_m, ss_x = m.decapsulate(ct_m), x.exchange(X25519PublicKey.from_public_bytes(ct_x))
    label = bytes.fromhex("5c 2e 2f 2f 5e 5c")
    ss = hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + label).digest()  # 2
    suite = b"HPKE" + bytes.fromhex("647a 0011 0002")  # 3
    info = b"JOSE-HPKE rcpt\xffA256GCM\xff"
    secret = lp(b"") + lp(ss) + b"HPKE-v1" + suite + lp(b"secret") + (108).to_bytes(2)  # 4
    s = hashlib.shake_256(secret + b"\0" + lp(b"") + lp(info)).digest(108)
    cek = AESGCM(s[:32]).decrypt(s[32:44], wrapped, b"")  # 5
    assert len(cek) == 32
    bound = f"{envelope['protected']}.{envelope['aad']}".encode()
    body = b64u(envelope["ciphertext"]) + b64u(envelope["tag"])
    return AESGCM(cek).decrypt(b64u(envelope["iv"]), body, bound)  # 6


@pytest.mark.parametrize(("name", "key"), [("one", "recipient"), ("two", "second")])
def test_the_spec_alone_suffices_to_open_an_envelope(name, key):
    seed = b64u(SEALED["keys"][key]["priv"])
    aad = sha256(SEALED["context"].encode())
    plaintext = opened(strict(SEALED["pinned"][name].encode()), seed, aad)
    assert plaintext.decode() == SEALED["plaintext"]


# --- § 11 to 13 trust -------------------------------------------------------------------------

TOLERANCE = timedelta(hours=26)


class Register:
    """What follows from the anchor; filled in the order of the records."""

    def __init__(self, anchor):
        self.anchor = anchor
        self.agencies, self.services, self.keys, self.revoked = {}, {}, {}, set()
        self.documents, self.signed, self.chains, self.compared = {}, {}, {}, 0

    def take(self, topic, value):
        if topic != "registry.snapshots":
            end, digest = self.chains.get(topic, (0, bytes(32)))
            self.chains[topic] = (end + 1, sha256(digest, sha256(value.encode())))
        if value.startswith("{"):
            document = strict(value.encode())
            self.documents[sha256(value.encode()).hex()] = document
            return
        kind = kind_of(value)
        take = getattr(self, "take_" + kind.replace("-", "_"))
        take(topic, value, kind)

    def take_enrolment(self, topic, token, kind):
        assert topic == "registry.agencies"
        _, body = verified(token, kind, self.anchor)
        self.agencies[body["agency"]] = body

    def take_service_key(self, topic, token, kind):
        assert topic == "registry.agencies"
        _, body = verified(token, kind, self.anchor)
        self.services[thumbprint(body["key"])] = body

    def take_key(self, topic, token, kind):
        agency = topic.removeprefix("keys.")
        _, body = verified(token, kind, self.agencies[agency]["identity"])
        assert body["agency"] == agency
        assert instant(body["not_before"]) < instant(body["use_until"])
        assert instant(body["use_until"]) <= instant(body["valid_until"])
        self.keys[agency, thumbprint(body["key"])] = body

    def take_key_revoked(self, topic, token, kind):
        agency = topic.removeprefix("keys.")
        _, body = verified(token, kind, self.agencies[agency]["identity"])
        self.revoked.add((agency, body["kid"]))

    def take_reads(self, topic, token, kind):
        agency = topic.removeprefix("keys.")
        kid = strict(b64u(token.split(".")[0]))["kid"]
        verified(token, kind, self.sign_key(agency, kid, WAY_TIME))

    def take_agreement_signature(self, topic, token, kind):
        assert topic == "registry.agreements"
        claimed = strict(b64u(token.split(".")[1]))
        identity = self.agencies[claimed["agency"]]["identity"]
        _, body = verified(token, kind, identity)
        parties = {each["agency"]: each for each in self.documents[body["agreement"]]["parties"]}
        assert parties[body["agency"]]["identity"] == thumbprint(identity)
        self.signed.setdefault(body["agreement"], set()).add(body["agency"])

    def take_snapshot(self, topic, token, kind):
        assert topic == "registry.snapshots"
        service = self.services[strict(b64u(token.split(".")[0]))["kid"]]
        assert service["service"] == "registry"
        _, body = verified(token, kind, service["key"])
        for name, said in body["topics"].items():
            end, digest = self.chains[name]
            assert (said["end"], said["digest"]) == (end, digest.hex())
            self.compared += 1

    def sign_key(self, agency, kid, now):
        certificate = self.keys[agency, kid]
        assert certificate["use"] == "sign"
        assert (agency, kid) not in self.revoked
        assert instant(certificate["not_before"]) - TOLERANCE <= now
        assert now <= instant(certificate["valid_until"]) + TOLERANCE
        return certificate["key"]


WAY_TIME = datetime(2026, 11, 22, 18, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def register():
    made = Register(WAY["anchor"])
    for record in WAY["records"]:
        if record["topic"].startswith(("registry.", "keys.")):
            made.take(record["topic"], record["value"])
    return made


def test_the_spec_alone_suffices_to_follow_trust(register):
    agreement = WAY["expected"]["agreement"]
    parties = {each["agency"] for each in register.documents[agreement]["parties"]}
    assert register.signed[agreement] == parties == set(register.agencies)
    assert len(register.revoked) == 1
    assert register.compared == 4  # every topic that the snapshot names


# --- § 4 to 6, 8, 9 messages and receipts -----------------------------------------------------


def read(register, record):
    """Steps 1 to 5 of § 9, then what is sealed: (context, message digest, content, record)."""
    headers = dict(record["headers"])
    assert len(headers) == len(record["headers"])
    token, value = headers.pop("statement"), record["value"].encode()
    sender = strict(b64u(token.split(".")[1]))["from"]
    kid = strict(b64u(token.split(".")[0]))["kid"]
    header, context = verified(token, "statement", register.sign_key(sender, kid, WAY_TIME))
    assert record["topic"] == f"inbox.{context['to']}.{context['from']}"
    assert record["key"] == context["id"]
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": context["id"],
        "ce_source": "urn:meldeweg:agency:" + context["from"],
        "ce_type": f"de.meldeweg.{context['kind']}.v1",
        "content-type": "application/json",
    }
    assert (header["value_size"], header["value_sha256"]) == (len(value), sha256(value).hex())
    assert WAY_TIME.date().isoformat() < context["delete_after"]
    bytes_of_context = b64u(token.split(".")[1])
    digest = sha256(bytes_of_context, sha256(value)).hex()
    if value == b"{}":
        assert "record_sha256" not in context
        return context, digest, None, None
    parts = strict(value)
    assert list(parts) == ["content", "record"]
    assert value == b'{"content":%b,"record":%b}' % (
        compact(parts["content"]),
        compact(parts["record"]),
    )
    aad = sha256(bytes_of_context)
    content = strict(opened(parts["content"], seed_of("seal", context["to"]), aad))
    assert set(content) == {"attachments", "payload", "record"}
    assert content["attachments"] == []
    text = content["record"].encode()
    assert sha256(text).hex() == context["record_sha256"]
    for agency in (context["from"], context["to"]):  # both officers read the very same
        assert opened(parts["record"], seed_of("oversight", agency), aad) == text
    assert len(parts["record"]["recipients"]) == 2
    return context, digest, content["payload"], strict(text)


def seed_of(use, agency):
    return b64u(WAY["private"][use][agency]["priv"])


def kennzeichen(message):
    bits = int.from_bytes(sha256(message.encode())[:4]) >> 2
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[bits >> shift & 31] for shift in (25, 20, 15, 10, 5, 0))


def inbox(to):
    return [each for each in WAY["records"] if each["topic"].startswith(f"inbox.{to}.")]


def test_the_spec_alone_suffices_to_read_a_message(register):
    (record,) = inbox("jugendamt-kreis-viersen")
    context, digest, payload, why = read(register, record)
    assert digest == WAY["expected"]["message"]
    assert payload == WAY["expected"]["payload"]
    assert context["agreement"] == WAY["expected"]["agreement"]
    assert kennzeichen(context["id"]) == WAY["expected"]["kennzeichen"]
    assert list(why) == [name for name in RECORD.split() if name in why]
    assert len(b64u(why["nonce"])) == 32
    clauses = register.documents[context["agreement"]]["clauses"]
    (clause,) = [each for each in clauses if each["id"] == why["clause"]]
    assert why["type"] in clause["types"]


def test_the_spec_alone_suffices_to_read_receipts(register):
    (message,) = inbox("jugendamt-kreis-viersen")
    delivered, acknowledged = (read(register, each) for each in inbox("polizei-viersen"))
    for context, *_ in (delivered, acknowledged):
        assert context["receipt"] == {
            "of": WAY["expected"]["message"],
            "kind": context["receipt"]["kind"],
            "topic": message["topic"],
            "offset": message["offset"],
        }
        assert "urgency" not in context
        assert "ack_by" not in context
    assert delivered[0]["receipt"]["kind"] == "delivered"
    assert delivered[2] is None
    context, _, payload, record = acknowledged
    assert payload == {"v": 1, "by": "Max Muster (erfunden)"}
    assert (record["kind"], record["of"]) == ("acknowledged", context["receipt"]["of"])


def test_the_spec_alone_suffices_to_read_events(register):
    told = [each for each in WAY["records"] if each["topic"].startswith("events.")]
    kinds = []
    for record in told:
        headers = dict(record["headers"])
        token = headers["statement"]
        agency = record["topic"].removeprefix("events.")
        kid = strict(b64u(token.split(".")[0]))["kid"]
        kind = kind_of(token)
        _, body = verified(token, kind, register.sign_key(agency, kid, WAY_TIME))
        assert body["agency"] == agency
        assert record["value"] == "{}"
        assert record["key"] == headers["ce_id"] == body["id"]
        assert headers["ce_type"] == f"de.meldeweg.{kind}.v1"
        kinds.append(kind)
    assert kinds == ["event", "heartbeat"]
