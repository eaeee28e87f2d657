"""A stored message, found, opened again and held to its sender's signature.

Guarantees: what comes out is what the sender signed and sealed, whoever may have written to the
store since; plaintext stays in memory. Names of persons are read from the vault here alone.
Trusts: the view for which keys were ever certified; no time is checked, a key may have ended since.
"""

from typing import Any

from meldeweg.gateway.desk import Desk
from meldeweg.gateway.opening import Opener, Unsealed
from meldeweg.gateway.store import Store, received
from meldeweg.gateway.store.opened import Look
from meldeweg.gateway.store.receipt_out import ReceiptOut
from meldeweg.gateway.store.received import Received
from meldeweg.kernel import logs, signing, strictjson
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, KeyId, MessageId
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.kernel.trust.view import View

log = logs.get()


def find(store: Store, message: MessageId, sender: AgencyId | None) -> Received:
    """Return the message; `message-unknown`, or `message-ambiguous` without its sender."""
    rows = store.peek(lambda db: received.by_id(db, message))
    rows = [row for row in rows if sender in (None, row.sender)]
    if not rows:
        raise Refused("message-unknown", "")
    if len(rows) > 1:
        raise Refused("message-ambiguous", "several senders used this id")
    return rows[0]


def unsealed(store: Store, desk: Desk, row: Received) -> tuple[Unsealed, RecordBody]:
    """Open it again; `message-erased`, `message-unopenable` (the key is gone, or bytes changed)."""
    header, value = store.peek(lambda db: received.sealed(db, row.seq))
    if value is None:
        raise Refused("message-erased", "")
    try:
        return _opened(desk, row, header, value)
    except Refused as exc:
        log.warning("message_unopenable", message_id=row.id, code=exc.code)
        raise Refused("message-unopenable", exc.code) from None


def _opened(desk: Desk, row: Received, header: bytes, value: bytes) -> tuple[Unsealed, RecordBody]:
    statement = statements.parse(header)
    if statement.digest != row.digest:
        raise Refused("message-unopenable", "another message's bytes")
    signing.verify(statement.jws, _key_of(desk.view, row.sender, statement.jws.kid))
    statements.check_value(statement, value)
    found = Opener(desk.me, desk.view, desk.opening()).unseal(statement, value)
    return found, RecordBody.read(found.record, "record-malformed")


def _key_of(view: View, sender: AgencyId, kid: KeyId) -> SignatureKey:
    for certified in view.certified(sender):
        if certified.key.kid == kid and isinstance(certified.key, SignatureKey):
            return certified.key
    raise Refused("signer-unknown", "no such key certified for the sender")


def person_place(row: Received, ref: str) -> str:
    """Name the vault's place of who looked."""
    return f"opened.person {row.seq} {ref}"


def said_place(row: Received, kind: ReceiptKind) -> str:
    """Name the vault's place of who gave a receipt, and why."""
    return f"receipt_out.said {row.seq} {kind.value}"


def person(desk: Desk, row: Received, look: Look) -> str:
    """Return who looked; empty once that is erased."""
    if look.person is None:
        return ""
    return desk.vault.open(look.person, person_place(row, look.actor_ref)).decode()


def said(desk: Desk, row: Received, given: ReceiptOut) -> dict[str, Any]:
    """Return the order of a receipt as it was given; empty once that is erased."""
    if given.said is None:
        return {}
    text = desk.vault.open(given.said, said_place(row, given.kind))
    found: dict[str, Any] = strictjson.loads(text)
    return found
