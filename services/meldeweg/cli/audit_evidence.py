"""What an opened entry is worth: it stands in the log, and its sender signed it.

Guarantees: the leaf is the one that the entry's bytes give and lies under a checkpoint of a key
that the trust anchor certified for the audit; the statement was signed by a key that its sender's
identity key certified, over the value that the leaf commits to. What can only be told is a notice.
Pure. Trusts: the register, verified from the anchor; of the audit service nothing. That others are
shown the same log shows only when checkpoints are compared.
"""

from dataclasses import dataclass
from datetime import datetime

from meldeweg.cli.audit_entry import Entry, Proof
from meldeweg.cli.audit_open import OpenedEntry
from meldeweg.kernel import note, signing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.leaf import leaf_of, parse_canonical
from meldeweg.kernel.merkle import leaf_hash, verify_inclusion
from meldeweg.kernel.statement import Statement
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.register import Register
from meldeweg.kernel.trust.view import CertifiedKey, check_time

# The log does not say whether it was signed before or after.
KEY_REVOKED = "key-revoked"
AGENCY_REVOKED = "agency-revoked"
LOG_KEY_ENDED = "log-key-ended"  # by now nobody should sign with it; a year's last one may be old


@dataclass(frozen=True, slots=True)
class Evidence:
    """The signed head that has the entry, whose key signed the statement, and what remains open."""

    head: note.Checkpoint
    signer: KeyId
    notices: tuple[str, ...]


def weigh(
    opened: OpenedEntry, entry: Entry, proof: Proof, register: Register, now: datetime
) -> Evidence:
    """Prove an opened entry; `proof` is that of its index.

    Raises `Refused`: `entry-contradicts`, `note-…`, `checkpoint-…`, `inclusion-unproven`,
    `value-mismatch`, `signer-unknown`, `signature-invalid`, `key-expired`, `key-not-yet-valid`.
    """
    leaf = _leaf(entry, opened)
    head, of_log = _head(proof, register, now)
    if head.origin.rpartition("/")[2] != str(entry.year):
        raise Refused("entry-contradicts", "the log of another year")
    verify_inclusion(entry.index, head.size, leaf_hash(leaf), proof.steps, head.root)
    of_signer = _signature(opened.statement, register)
    return Evidence(head, opened.statement.jws.kid, (*of_log, *of_signer))


def _leaf(entry: Entry, opened: OpenedEntry) -> bytes:
    """Build the leaf from what it commits to, and hold the statement to that record's value."""
    committed = parse_canonical(opened.canonical)
    leaf = leaf_of(entry.topic_id, entry.offset, opened.canonical, committed.headers).encode()
    if leaf != entry.leaf:
        raise Refused("entry-contradicts", "the leaf commits to other bytes")
    if committed.value_sha256 != opened.statement.value_sha256.raw():
        raise Refused("value-mismatch", "the statement was signed for another value")
    return leaf


def _head(
    proof: Proof, register: Register, now: datetime
) -> tuple[note.Checkpoint, tuple[str, ...]]:
    """Return the checkpoint, if a key that the anchor certified for the audit signed it."""
    parsed = note.parse(proof.checkpoint)
    head = note.parse_checkpoint(parsed.text)
    known = {note.Verifier(head.origin, key.public): key for key in register.service_keys("audit")}
    signers = [known[each] for each in note.verify(parsed, list(known))]
    if all(_has_ended(register, key, now) for key in signers):
        return head, (LOG_KEY_ENDED,)
    return head, ()


def _has_ended(register: Register, key: SignatureKey, now: datetime) -> bool:
    try:
        register.service_key("audit", key.kid, now)
    except Refused:
        return True
    return False


def _signature(statement: Statement, register: Register) -> tuple[str, ...]:
    """Verify who signed, by the keys as they were when it says that it was made."""
    context, kid = statement.context, statement.jws.kid
    key, certified = _certified(register, context.sender, kid)
    signing.verify(statement.jws, key)
    check_time(certified, context.created, certified.certificate.valid_until)
    revoked = {
        KEY_REVOKED: register.is_revoked(context.sender, kid),
        AGENCY_REVOKED: register.status(context.sender) is AgencyStatus.REVOKED,
    }
    return tuple(notice for notice, holds in revoked.items() if holds)


def _certified(
    register: Register, agency: AgencyId, kid: KeyId
) -> tuple[SignatureKey, CertifiedKey]:
    for certified in register.certified(agency):
        if certified.key.kid == kid and isinstance(certified.key, SignatureKey):
            return certified.key, certified
    raise Refused("signer-unknown", f"no such signing key of {agency} in this register")
