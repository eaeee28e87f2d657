"""A second implementation, in Go and from docs/spec alone, agrees with the vectors: it accepts what
is good, and refuses what is not with the same code."""

import base64
import json
from pathlib import Path

import pytest

from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.register import Register
from unit.gateway.test_refused_vectors import REFUSED, changed
from vectors.make_way import ANCHOR, REGISTRY
from vectors.refused_trust import AGENCIES, compact, payload, status

FOLDER = Path(__file__).parents[1] / "vectors"
WAY = json.loads((FOLDER / "way.json").read_text())
SEALED = json.loads((FOLDER / "sealed.json").read_text())
WRITTEN = json.loads((FOLDER / "refused.json").read_text())
AAD = base64.urlsafe_b64decode(SEALED["aad"] + "==")
NOW = "2026-11-22T18:20:00Z"
POLICE, OFFICE = "polizei-viersen", "jugendamt-kreis-viersen"


def trust_of(case):
    found = [
        (each["topic"], each["value"])
        for at, each in enumerate(WAY["records"])
        if each["topic"].startswith(("registry.", "keys.")) and at not in case.get("drop", ())
    ]
    return [{"Topic": topic, "Value": value} for topic, value in [*found, *case.get("add", ())]]


def told(judge, case):
    """Build the judge's register as the case wants it."""
    return judge.ask("trust", Anchor=json.dumps(WAY["anchor"]), Trust=trust_of(case))


def judged(judge, me, records, now=NOW):
    key = json.dumps(WAY["private"]["seal"][me])
    asked = [
        {"Topic": r["topic"], "Key": r["key"], "Headers": r["headers"], "Value": r["value"]}
        for r in records
    ]
    return judge.ask("records", Me=me, Now=now, Opens=[key], Records=asked)["each"]


def test_it_follows_trust_in_any_order_and_finds_the_snapshot_true(second):
    there = trust_of({})
    for order in (there, there[::-1]):
        found = second.ask("trust", Anchor=json.dumps(WAY["anchor"]), Trust=order)
        assert found.get("waiting", 0) == 0
        if order is there:
            assert all(each["ok"] for each in found["each"])
            assert not found.get("contradicts")
    # One value left out: the register is another than the registry's.
    short = [each for each in there if not each["Topic"].startswith("keys.")]
    rest = [each for each in there if each["Topic"].startswith("keys.")]
    bent = short[:-1] + rest[1:] + rest[:1] + short[-1:]
    found = second.ask("trust", Anchor=json.dumps(WAY["anchor"]), Trust=bent)
    assert found["contradicts"]


SNAPSHOTS = "registry.snapshots"


def snapshot(n, there, **unread):
    """What the registry says that lies on its topics; `unread`: ends that it is made to say."""
    chains = Chains()
    for each in there:
        chains.extend(each["Topic"], each["Value"].encode())
    ends = {topic: chains.end(topic) for topic in chains.topics()} | unread
    topics = {topic: {"end": end, "digest": digest} for topic, (end, digest) in ends.items()}
    body = {"v": 1, "n": n, "at": NOW.replace("Z", ".000Z"), "topics": topics}
    return {"Topic": SNAPSHOTS, "Value": sign(REGISTRY, Typ.SNAPSHOT, compact(body))}


def ours(read):
    """Whether our register, having read this, finds what it read contradicted."""
    register, chains = Register(ANCHOR.public), Chains()
    for each in read:
        register.apply(each["Topic"], each["Value"].encode())
        if each["Topic"] != SNAPSHOTS:
            chains.extend(each["Topic"], each["Value"].encode())
    said = register.snapshot.topics if register.snapshot else {}
    return any(chains.contradicts(topic, each.end, each.digest) for topic, each in said.items())


def test_it_holds_the_newest_snapshot_against_what_came_before_it_and_after_it(second):
    there = [each for each in trust_of({}) if each["Topic"] != SNAPSHOTS]
    keys = [each for each in there if each["Topic"].startswith("keys.")]
    rest = [each for each in there if not each["Topic"].startswith("keys.")]
    bent = rest + keys[1:] + keys[:1]
    true, others, early = snapshot(5, there), snapshot(5, bent), snapshot(4, bent)
    later, behind = snapshot(6, there), snapshot(7, rest)
    empty, impossible = (
        snapshot(5, there, **{"keys.nobody": (0, digit * 64)}) for digit in ("0", "1")
    )
    for read, contradicted in (
        *(([*bent[:at], true, *bent[at:]], True) for at in range(len(bent) + 1)),
        *(([*there[:at], true, *there[at:]], False) for at in range(len(there) + 1)),
        ([true, early, *there], False),
        ([early, true, *there], False),
        ([early, *there, true], False),
        ([early, *there], True),
        ([*there, others, later], False),
        ([later, *there, others], False),
        ([later, *bent, others], True),
        ([*bent, later, behind], False),
        ([true, *bent[: len(rest)]], False),
        ([empty, *there], False),
        ([impossible, *there], True),  # d(0) is known to everybody
    ):
        found = second.ask("trust", Anchor=json.dumps(WAY["anchor"]), Trust=read)
        assert found.get("waiting", 0) == 0
        assert (found.get("contradicts", False), ours(read)) == (contradicted, contradicted)


def test_it_reads_the_message_the_receipts_and_the_events(second):
    told(second, {})
    inbox = [r for r in WAY["records"] if r["topic"] == f"inbox.{OFFICE}.{POLICE}"]
    message, again = judged(second, OFFICE, inbox * 2)
    assert message["ok"]
    assert message["found"]["digest"] == WAY["expected"]["message"]
    assert message["found"]["kennzeichen"] == WAY["expected"]["kennzeichen"]
    assert json.loads(message["found"]["payload"]) == WAY["expected"]["payload"]
    assert again["found"]["again"]
    back = [r for r in WAY["records"] if r["topic"].startswith((f"inbox.{POLICE}.", "events."))]
    delivered, opened, acknowledged, beat = judged(second, POLICE, back)
    assert delivered["found"]["kind"] == "delivered"
    assert opened == {"ok": True, "text": "opened"}
    assert json.loads(acknowledged["found"]["payload"])["by"] == "Max Muster (erfunden)"
    assert beat == {"ok": True}


@pytest.mark.parametrize("agency", [POLICE, OFFICE])
def test_either_officer_opens_the_record(second, agency):
    (record,) = [r for r in WAY["records"] if r["topic"] == f"inbox.{OFFICE}.{POLICE}"]
    said = second.ask(
        "officer",
        Jwk=json.dumps(WAY["private"]["oversight"][agency]),
        Token=dict(record["headers"])["statement"],
        Text=record["value"],
    )
    assert said["ok"]
    assert json.loads(said["text"])["grounds"] == ["domestic-violence", "alcohol-excess"]


@pytest.mark.parametrize(
    ("name", "key"), [("one", "recipient"), ("two", "recipient"), ("two", "second")]
)
def test_it_opens_our_envelopes(second, name, key):
    jwk = json.dumps(SEALED["keys"][key])
    assert second.ask("key", Jwk=jwk)["text"] == SEALED["keys"][key]["kid"]
    said = second.ask("open", Jwk=jwk, Jwe=SEALED["pinned"][name], Aad=AAD)
    assert base64.b64decode(said["bytes"]).decode() == SEALED["plaintext"]


def test_it_refuses_changed_envelopes_with_their_codes(second):
    jwk = json.dumps(SEALED["keys"]["recipient"])
    for case in SEALED["refused"]:
        said = second.ask("open", Jwk=jwk, Jwe=case["jwe"], Aad=AAD)
        assert (case["name"], said.get("why")) == (case["name"], case["code"])


def test_it_refuses_changed_tokens_with_their_codes(second):
    private = SEALED["keys"]["signing"]
    jwk = json.dumps({name: part for name, part in private.items() if name != "d"})
    good = second.ask("token", Jwk=jwk, Kind="statement", Token=SEALED["token"])
    assert (good["ok"], good["text"]) == (True, SEALED["context"])
    for case in SEALED["refused_tokens"]:
        said = second.ask("token", Jwk=jwk, Kind="statement", Token=case["token"])
        assert (case["name"], said.get("why")) == (case["name"], case["code"])


def test_it_puts_the_texts_of_the_refused_together_as_we_do(second):
    short, long = {"value": [], "statement": []}, {"value": [], "statement": []}
    for name in ("records", "events"):
        for told_, meant in zip(WRITTEN[name], REFUSED[name], strict=True):
            for what in ("value", "statement"):
                short[what].append(told_["set"].get(what))
                long[what].append(meant["set"].get(what))
            short["value"] += [value for _, value in told_.get("add", ())]
            long["value"] += [value for _, value in meant.get("add", ())]
    short["value"] += [each["value"] for each in WRITTEN["trust"]]
    long["value"] += [each["value"] for each in REFUSED["trust"]]
    way = [{"Headers": r["headers"], "Value": r["value"]} for r in WAY["records"]]
    for what, nodes in short.items():
        pairs = [
            (json.dumps(node), text)
            for node, text in zip(nodes, long[what], strict=True)
            if isinstance(node, dict) and "of" in node
        ]
        assert len(pairs) > 20
        asked = [node for node, _ in pairs]
        said = second.ask("texts", Kind=what, Records=way, Nodes=asked)["each"]
        assert [each["text"] for each in said] == [text for _, text in pairs]


@pytest.mark.parametrize(
    "node",
    [
        {"of": 99, "pieces": ["a"]},
        {"of": 0, "pieces": [[0, 10**6]]},
        {"of": 0, "pieces": [[5, 5]]},
        {"of": 0, "pieces": [[1]]},
        {"pieces": ["a"], "of": 0},
        {"of": 0},
    ],
)
def test_it_makes_no_text_of_pieces_that_are_not_there(second, node):
    way = [{"Headers": r["headers"], "Value": r["value"]} for r in WAY["records"]]
    (said,) = second.ask("texts", Kind="value", Records=way, Nodes=[json.dumps(node)])["each"]
    assert said["why"] == "text-malformed"


@pytest.mark.parametrize("case", REFUSED["records"], ids=lambda case: case["name"])
def test_it_refuses_a_changed_record_with_the_same_code(second, case):
    told(second, case)
    (said,) = judged(second, case["me"], [changed(case)], case["now"])
    assert said.get("why") == case["code"]
    assert said["ok"] is (case["code"] is None)


def test_it_takes_no_other_message_under_the_same_id(second):
    told(second, {})
    (good,) = [r for r in WAY["records"] if r["topic"] == f"inbox.{OFFICE}.{POLICE}"]
    (case,) = [c for c in REFUSED["records"] if c["name"] == "an envelope not in sorted form"]
    first, other = judged(second, OFFICE, [good, changed(case)])
    assert first["ok"]
    assert (other["why"], other["step"]) == ("duplicate-differs", 6)


def test_it_refuses_a_changed_event_with_the_same_code(second):
    for case in REFUSED["events"]:
        told(second, case)
        (said,) = judged(second, OFFICE, [changed(case)], case["now"])
        assert (case["name"], said.get("why")) == (case["name"], case["code"])
        assert said["ok"] is (case["code"] is None)


def test_it_takes_in_nothing_that_the_chain_does_not_vouch_for(second):
    for case in REFUSED["trust"]:
        told(second, {})
        value = [{"Topic": case["topic"], "Value": case["value"]}]
        said = second.ask("trust", Anchor=json.dumps(WAY["anchor"]), Trust=value, Again=True)
        (one,) = said["each"]
        found = (case["name"], one["ok"], one.get("why") == "early", said.get("waiting", 0))
        assert found == (case["name"], False, case["waits"], int(case["waits"]))


@pytest.mark.parametrize("until", ["2026-11-23T08:00:00.000Z", "2000-01-01T00:00:00.000Z"])
def test_it_takes_nothing_of_a_key_that_the_anchor_withdrew(second, until):
    """The status states a time at which the key still counted: its thief's own word. A withdrawal
    may also state a time before the key's own begin."""
    ended = payload(0, AGENCIES)
    assert ended["service"] == "registry"
    ended |= {"verify_until": until, "at": "2026-11-23T08:00:00.000Z"}
    withdrawn = sign(ANCHOR, Typ.SERVICE_KEY, compact(ended))
    late = status("suspended", 5, REGISTRY)
    told(second, {})
    given = {"Anchor": json.dumps(WAY["anchor"]), "Again": True}
    before = second.ask("trust", Trust=[{"Topic": AGENCIES, "Value": late}], **given)
    assert before["each"][0]["ok"]
    told(second, {})
    order = [{"Topic": AGENCIES, "Value": value} for value in (withdrawn, late)]
    first, second_one = second.ask("trust", Trust=order, **given)["each"]
    assert first["ok"]
    assert second_one["why"] == "key-revoked"


def test_it_takes_no_weak_key(second):
    assert second.ask("key", Jwk=json.dumps(WAY["anchor"]))["ok"]
    for case in REFUSED["keys"]:
        said = second.ask("key", Jwk=json.dumps(case["jwk"]))
        assert (case["name"], said.get("why")) == (case["name"], "key-malformed")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_both_implementations_agree_on_every_changed_bit_of_a_statement(second, part):
    """Each bit of the decoded header, payload and signature, and of their text."""
    from meldeweg.kernel import statement as statements
    from meldeweg.kernel.errors import Refused
    from meldeweg.kernel.strictjson import b64u_decode, b64u_encode

    told(second, {})
    (record,) = [r for r in WAY["records"] if r["topic"] == f"inbox.{OFFICE}.{POLICE}"]
    headers = dict(record["headers"])
    pieces = headers["statement"].split(".")
    raw = b64u_decode(pieces[part])
    # A signed bit decides nothing that its byte does not: every byte, with a bit that wanders.
    flips = [
        bytes(b ^ (1 << at % 8) if i == at else b for i, b in enumerate(raw))
        for at in range(len(raw))
    ]
    tokens = [".".join([*pieces[:part], b64u_encode(flip), *pieces[part + 1 :]]) for flip in flips]
    records = [
        record
        | {
            "headers": [
                *(
                    {"statement": token} | {n: v for n, v in headers.items() if n != "statement"}
                ).items()
            ]
        }
        for token in tokens
    ]
    for token, said in zip(tokens, judged(second, OFFICE, records), strict=True):
        assert not said["ok"]
        try:
            statements.parse(token.encode())
            code = None
        except Refused as exc:
            code = exc.code
        if code:
            assert said["why"] == code
        else:
            assert said["step"] == 2


def test_it_takes_the_keys_that_wycheproof_takes(second):
    from unit.kernel.test_foreign_vectors import ORDINARY_X25519, cases

    for case in cases("wycheproof/mlkem-768-encaps.json"):
        pub = base64.urlsafe_b64encode(bytes.fromhex(case["ek"]) + ORDINARY_X25519).rstrip(b"=")
        jwk = {"kty": "AKP", "alg": "HPKE-9-KE", "pub": pub.decode()}
        said = second.ask("key", Jwk=json.dumps(jwk))
        assert (case["tcId"], said["ok"]) == (case["tcId"], case["result"] == "valid")


def test_it_derives_the_secrets_of_the_hpke_drafts_vectors(second):
    """KEM and key schedule with SHAKE256; that vector's AEAD is another, so its suite is given."""
    from unit.envelope.test_foreign_vectors import HPKE

    (case,) = [each for each in HPKE if each["kdf_id"] == 0x11]
    parts = {name: bytes.fromhex(case[name]) for name in ("skRm", "pkRm", "enc", "info")}
    jwk = {
        "kty": "AKP",
        "alg": "HPKE-9-KE",
        "pub": base64.urlsafe_b64encode(parts["pkRm"]).rstrip(b"=").decode(),
        "priv": base64.urlsafe_b64encode(parts["skRm"]).rstrip(b"=").decode(),
    }
    said = second.ask(
        "schedule",
        Jwk=json.dumps(jwk),
        Value=parts["enc"],
        Key=bytes.fromhex(case["suite_id"]),
        Leaf=parts["info"],
    )
    assert base64.b64decode(said["bytes"]).hex() == case["key"]
    assert base64.b64decode(said["other"]).hex() == case["base_nonce"]
    assert base64.urlsafe_b64decode(said["text"] + "=").hex() == case["shared_secret"]
