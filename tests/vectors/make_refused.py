"""Write refused.json: what was changed in way.json, and the code with which it must be refused.

`PYTHONPATH=tests python -m vectors.make_refused` derives everything again from make_way's keys and
from the sealed values that are pinned; `--fresh` seals those anew. A test fails when the committed
file is not what this module derives.

A case of `records` is record `at` of way.json with the members of `set` in place of its own
(`statement` for the header of that name), read by `me` at `now` with a view that lacks the records
`drop` and has those of `add`. `code` null: it must be accepted. A case of `events` is the same with
a record of `events.<agency>`, which is for nobody in particular. A case of `trust` is a value on a
topic, after all others; a case of `keys` a public JWK. Long texts are told by what they change
(`refused_text`). All people and numbers are invented.
"""

import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from meldeweg.kernel import event, topics
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.event import Event, EventKind
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode
from vectors import make_way as way
from vectors.make_way import ANCHOR, IDENTITY, LOST, NOW, OFFICE, POLICE, REGISTRY, SIGN
from vectors.refused_cases import (
    DELIVERED,
    MESSAGE,
    Cases,
    context_of,
    signed,
    token_of,
    value_of,
)
from vectors.refused_covered import eighth_step, ninth_step, tenth_step
from vectors.refused_sealed import later_steps, seventh_step
from vectors.refused_text import shorten
from vectors.refused_told import told
from vectors.refused_trust import (
    STRANGER,
    WAY,
    place,
    status,
    trust,
    weak_keys,
)

FILE = Path(__file__).parent / "refused.json"


def first_step(cases: Cases) -> None:
    """Parse strictly."""
    headers = WAY["records"][MESSAGE]["headers"]
    statement, rest = headers[0], headers[1:]
    cases.add("no statement", "header-malformed", headers=rest)
    cases.add("two statements", "header-malformed", headers=[statement, *headers])
    cases.add("a null statement", "header-malformed", headers=[["statement", None], *rest])
    cases.add("an empty statement", "jws-malformed", statement="")
    began = Event(v=1, id=way.message_id(99), agency=POLICE, kind=EventKind.STARTED, at=NOW)
    cases.add("an event", "jws-malformed", statement=event.sign(began, SIGN[POLICE]).decode())
    context, value = context_of(MESSAGE), value_of(MESSAGE)
    for name, code, header in (
        ("alg none", "jws-alg-refused", {"alg": "none"}),
        ("alg of another family", "jws-alg-refused", {"alg": "HS256"}),
        ("typ of an event", "jws-typ-wrong", {"typ": Typ.EVENT.value}),
        ("typ of another version", "jws-typ-wrong", {"typ": "meldeweg.statement.v2+jws"}),
        ("crit", "jws-malformed", {"crit": ["b64"]}),
        ("b64 false", "jws-malformed", {"b64": False}),
        ("a header member without a name", "jws-malformed", {"": 1}),
        ("a header member named by a blank", "jws-malformed", {" ": "x"}),
        ("a header member named by a line's end", "jws-malformed", {"\n": 1}),
        ("a header member named by a hard blank", "jws-malformed", {"\u00a0": "x"}),
        ("no value_size", "jws-malformed", {"value_size": None}),
        ("value_size negative", "jws-malformed", {"value_size": -1}),
        ("value_size as text", "jws-malformed", {"value_size": str(len(value))}),
        ("value_size as a float", "jws-malformed", {"value_size": float(len(value))}),
        ("kid is no thumbprint", "jws-malformed", {"kid": "key-1"}),
        ("digest in capitals", "digest-malformed",
         {"value_sha256": hashlib.sha256(value).hexdigest().upper()}),
    ):  # fmt: skip
        cases.add(name, code, statement=signed(context, value, **header))
    nothing = _headed(b'"value_size":%d' % len(value), b'"value_size":-0')
    cases.add("value_size minus nothing", "jws-malformed", statement=nothing)
    unsigned = signed(context, value, alg="none").rpartition(".")[0] + "."
    cases.add("alg none, and no signature", "jws-alg-refused", statement=unsigned)
    for name, old, new in (
        ("a space", '{"v":1,', '{"v":1, '),
        ("v as a float", '"v":1', '"v":1.0'),
        ("v as true", '"v":1', '"v":true'),
        ("another version", '"v":1', '"v":2'),
        ("an escape that need not be", '"from":"polizei', '"from":"\\u0070olizei'),
        ("members in another order", '"v":1,"id"', '"id"'),
        ("a name twice", '"exercise":false', '"exercise":false,"exercise":false'),
        ("an unknown member", '"exercise":false', '"exercise":false,"colour":"red"'),
        ("a null", '"exercise":false', '"exercise":null'),
        ("from and to the same", '"to":"jugendamt-kreis-viersen"', '"to":"polizei-viersen"'),
        ("an agency in capitals", '"from":"polizei-viersen"', '"from":"Polizei-Viersen"'),
        ("number 0", '"n":1}', '"n":0}'),
        ("number 2^53", '"n":1}', '"n":9007199254740992}'),
        ("outbox in capitals", "0123456789abcdef", "0123456789ABCDEF"),
        ("no urgency", '"urgency":', '"urgency2":'),
        ("an unknown urgency", '"exercise":false', '"exercise":"no"'),
        ("two decimals", '.250Z"', '.25Z"'),
        ("a 30th of February", '"created":"2026-11-22', '"created":"2026-02-30'),
        ("year 0", '"created":"2026', '"created":"0000'),
        ("an offset from UTC", '.250Z"', '.250+00:00"'),
        ("a UUID of version 4", "-7001-8", "-4001-8"),
        ("delete_after in mid-month", '-01"}', '-02"}'),
        ("delete_after in the year 2200", '"delete_after":"2027', '"delete_after":"2200'),
        ("delete_after in the year 1999", '"delete_after":"2027', '"delete_after":"1999'),
    ):
        cases.context(name, old, new)


def _headed(old: bytes, new: bytes) -> str:
    """The message's own statement with a change in the text of its header, signed anew."""
    head, body, _ = token_of(MESSAGE).split(".")
    changed = b64u_decode(head).replace(old, new, 1)
    assert changed != b64u_decode(head)
    text = f"{b64u_encode(changed)}.{body}"
    return f"{text}.{b64u_encode(SIGN[POLICE].sign(text.encode()))}"


def second_step(cases: Cases) -> None:
    """Signed by a key certified for this sender."""
    context, value = context_of(MESSAGE), value_of(MESSAGE)
    head, _, signature = token_of(MESSAGE).split(".")
    other = b64u_encode(context.replace(b'"exercise":false', b'"exercise":true'))
    cases.add("payload of another", "signature-invalid", statement=f"{head}.{other}.{signature}")
    forged = signed(context, value, STRANGER, kid=SIGN[POLICE].kid)
    cases.add("another key, the same kid", "signature-invalid", statement=forged)
    cases.add("a stranger", "signer-unknown", statement=signed(context, value, STRANGER))
    cases.add(
        "the recipient's key", "signer-unknown", statement=signed(context, value, SIGN[OFFICE])
    )
    cases.add(
        "the identity key", "signer-unknown", statement=signed(context, value, IDENTITY[POLICE])
    )
    cases.add("a revoked key", "key-revoked", statement=signed(context, value, LOST))
    sealing = signed(context, value, kid=way.SEAL[POLICE].kid)
    cases.add("a key for sealing", "key-use-wrong", statement=sealing)
    enrolled = [
        at for at, each in enumerate(WAY["records"]) if each["topic"] == "registry.agencies"
    ]
    cases.add("not enrolled", "agency-unknown", drop=enrolled[2:3])
    cases.add("key not seen yet", "signer-unknown", drop=[place(topics.keys(POLICE))])
    early = to_rfc3339(NOW - timedelta(hours=27))
    cases.add("a clock 25 hours behind", None, now=to_rfc3339(NOW - timedelta(hours=25)))
    cases.add("a clock 27 hours behind", "key-not-yet-valid", now=early)
    cases.add("a key of ten years ago", "key-expired", now=to_rfc3339(NOW + timedelta(days=3650)))


def third_to_fifth_step(cases: Cases) -> None:
    """Place, value, standing, term."""
    cases.add(
        "topic of another sender",
        "topic-contradicts",
        topic=topics.inbox(OFFICE, AgencyId("polizei-musterstadt")),
    )
    cases.add(
        "topic of another recipient",
        "not-addressed-to-me",
        topic=topics.inbox(AgencyId("jugendamt-nettetal"), POLICE),
    )
    cases.add("not a topic of an inbox", "topic-malformed", topic="inbox." + OFFICE)
    cases.add(
        "a record for somebody else",
        "not-addressed-to-me",
        DELIVERED,
        topic=topics.inbox(AgencyId("polizei-musterstadt"), OFFICE),
    )
    cases.add("another key", "record-key-contradicts", key=way.message_id(5))
    cases.add("no key", "record-key-contradicts", key=None)
    headers = WAY["records"][MESSAGE]["headers"]
    for name, changed in (
        ("a header is missing", headers[:-1]),
        ("a header twice", [*headers, headers[-1]]),
        ("a header more", [*headers, ["traceparent", "00"]]),
        ("a null header", [*headers[:-1], [headers[-1][0], None]]),
        ("a null header more", [*headers, ["traceparent", None]]),
        (
            "another ce_id",
            [["ce_id", way.message_id(5)] if n == "ce_id" else [n, v] for n, v in headers],
        ),
        (
            "ce_type of a receipt",
            [
                ["ce_type", "de.meldeweg.receipt.v1"] if n == "ce_type" else [n, v]
                for n, v in headers
            ],
        ),
        ("name in capitals", [["CE_ID" if n == "ce_id" else n, v] for n, v in headers]),
    ):
        cases.add(name, "header-contradicts", headers=changed)
    cases.add("headers in another order", None, headers=headers[::-1])
    value = value_of(MESSAGE).decode()
    cases.add(
        "value with a byte changed",
        "value-mismatch",
        value=value[:-30] + ("A" if value[-30] != "A" else "B") + value[-29:],
    )
    cases.add("value with a byte more", "value-mismatch", value=value + " ")
    cases.add("no value", "value-mismatch", value=None)
    cases.add("value of a receipt", "value-mismatch", value="{}")
    agencies = topics.REGISTRY_AGENCIES
    suspended = [agencies, status("suspended", 1, REGISTRY)]
    cases.add("sender suspended", "sender-suspended", add=[suspended])
    cases.add(
        "sender suspended and resumed",
        None,
        add=[suspended, [agencies, status("active", 2, REGISTRY)]],
    )
    cases.add(
        "resumed by an older number",
        "sender-suspended",
        add=[
            [agencies, status("suspended", 3, REGISTRY)],
            [agencies, status("active", 2, REGISTRY)],
        ],
    )
    cases.add(
        "sender revoked by itself",
        "sender-revoked",
        add=[[agencies, status("revoked", 1, IDENTITY[POLICE])]],
    )
    revived = [[agencies, status("revoked", 1, ANCHOR)], [agencies, status("active", 9, ANCHOR)]]
    cases.add("revoked is for good", "sender-revoked", add=revived)
    until = json.loads(context_of(MESSAGE))["delete_after"]
    gone = f"{until}T00:00:00.000Z"
    cases.add("on the day it must be gone", "past-delete-after", now=gone)
    cases.add("the same of a suspended sender", "past-delete-after", now=gone, add=[suspended])


def build(pinned: dict[str, str]) -> dict[str, Any]:
    """Derive the whole file; what is not pinned yet is sealed, and pinned."""
    cases = Cases(pinned)
    for step in (
        first_step,
        second_step,
        third_to_fifth_step,
        seventh_step,
        later_steps,
        eighth_step,
        ninth_step,
        tenth_step,
    ):
        step(cases)
    made = {
        "about": "Written by make_refused.py from way.json. All names and numbers are invented.",
        "pinned": pinned,
        "records": cases.records,
        "events": told(),
        "trust": trust(),
        "keys": weak_keys(),
    }
    return shorten(made)


def main() -> None:
    """Write the file beside this one."""
    known = FILE.exists() and "--fresh" not in sys.argv
    made = build(json.loads(FILE.read_text())["pinned"] if known else {})
    FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
