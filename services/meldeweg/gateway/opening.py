"""Receiving, steps 7 and 8: open what was sealed, and hold it to what was signed.

Guarantees: what comes out was sealed together with exactly this context, to a key of ours; the
record inside is the one that the sender committed to in the signed context; the content is
addressed to nobody but us; the copy for oversight is addressed to both data protection officers and
to nobody else. Plaintext stays in memory and in no exception. Pure. Trusts: nothing sealed; the
sender may have sealed anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from meldeweg.envelope import addressed_to, open_with
from meldeweg.gateway.receipts import NOTHING_SEALED, ReceiptRecord, Word
from meldeweg.kernel import schemas, strictjson
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.statement import Context, ReceiptFor, ReceiptKind, Statement
from meldeweg.kernel.topics import SEALED_RECORD_MAX
from meldeweg.kernel.trust.objects import KeyUse
from meldeweg.kernel.trust.view import CertifiedKey, check_time

_CONTENT, _RECORD = b'{"content":', b',"record":'
_ATTACHMENTS, _PAYLOAD, _TEXT = b'{"attachments":', b',"payload":', b',"record":"'
# Receipts that only a person gives always have a sealed part; a refusal may be the gateway's own.
_SEALED = {
    ReceiptKind.DELIVERED: (False,),
    ReceiptKind.REFUSED: (False, True),
    ReceiptKind.ACKNOWLEDGED: (True,),
    ReceiptKind.ERASED: (True,),
}
NOT_RESPONSIBLE = "not-responsible"


class Certified(Protocol):
    """What opening asks of the verified view."""

    def certified(self, agency: AgencyId) -> tuple[CertifiedKey, ...]: ...


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What lay in `content`. `payload`: JSON, not yet parsed; its own reader is strict.

    `record`: the exact text that `record_sha256` commits to.
    """

    payload: bytes = field(repr=False)
    record: bytes = field(repr=False)


def usable(
    view: Certified, me: AgencyId, keys: Mapping[KeyId, OpenKey], now: datetime
) -> tuple[dict[KeyId, OpenKey], dict[KeyId, Refused]]:
    """Return those of our keys that open what arrives now, and why each of the others does not.

    A revoked one opens: what was sealed to it is no less its sender's word, and a child may be in
    it; who sealed it has not heard of the revocation (docs/decisions/0023).
    """
    known = {certified.key.kid: certified for certified in view.certified(me)}
    good, barred = dict(keys), {}
    for kid in keys:
        try:
            _check_time(known.get(kid), now)
        except Refused as exc:
            barred[kid] = exc
            del good[kid]
    return good, barred


def _check_time(certified: CertifiedKey | None, now: datetime) -> None:
    if certified is None:
        raise Early("key-not-yet-valid", "not certified in my view")
    if certified.certificate.use is not KeyUse.SEAL:
        raise Refused("key-use-wrong", "")
    check_time(certified, now, certified.certificate.valid_until)


class Opener:
    """Steps 7 and 8 for one batch. `barred`: keys that are here and open nothing, and why."""

    def __init__(
        self,
        me: AgencyId,
        view: Certified,
        keys: Mapping[KeyId, OpenKey],
        barred: Mapping[KeyId, Refused] | None = None,
    ) -> None:
        self._me, self._view, self._keys, self._barred = me, view, keys, barred or {}
        self._known: dict[tuple[AgencyId, KeyUse], frozenset[KeyId]] = {}

    def unseal(self, statement: Statement, value: bytes) -> Unsealed:
        """Take steps 7 and 8 for the sealed parts of a message or a receipt."""
        # 7 open with aad; both parts strictly read, the one we can't open too
        content, record = parts(value)
        unsealed = _read(self._open(content, statement.aad))
        self._check_oversight(statement.context, addressed_to(record, statement.aad))
        # 8 the record in the content is the one that the context commits to
        if Digest.of(unsealed.record) != statement.context.record_sha256:
            raise Refused("record-mismatch", "not the record that was signed")
        return unsealed

    def _open(self, content: bytes, aad: bytes) -> bytes:
        return open_with(content, self._keys, aad, readers=self._check_readers)

    def _check_readers(self, kids: tuple[KeyId, ...]) -> None:
        """One of our keys counts now, and every other key is one of ours as well.

        Of a key that we don't know as ours the certificate may be on its way, whoever else claims
        to have that key: so a leak waits, and is refused then; it is never delivered.
        """
        if self._keys.keys().isdisjoint(kids):
            why = [self._barred[kid] for kid in kids if kid in self._barred]
            if why:
                raise next((each for each in why if isinstance(each, Early)), why[0])
            return  # not for any key that is here: opening says so
        if not self._certified(self._me, KeyUse.SEAL).issuperset(kids):
            raise Early("readers-contradict", "sealed to a key that is not ours in our view")

    def receipt(self, statement: Statement, value: bytes) -> Word | None:
        """Take steps 7 and 8 of a receipt; return a person's word, None if there is none."""
        receipt = statement.context.receipt
        assert receipt is not None  # kind == "receipt"
        sealed = value != NOTHING_SEALED
        committed = statement.context.record_sha256 is not None
        if sealed is not committed or sealed not in _SEALED[receipt.kind]:
            raise Refused("receipt-contradicts", "what is sealed does not fit the kind")
        if not sealed:
            return None
        unsealed = self.unseal(statement, value)
        word = _word(unsealed.payload)
        record = ReceiptRecord.read_signed(unsealed.record, "receipt-malformed")
        _check_word(receipt, word, record)
        return word

    def _check_oversight(self, context: Context, kids: tuple[KeyId, ...]) -> None:
        """Nobody else may read why it was sent, and neither officer may be left out."""
        theirs = self._certified(context.sender, KeyUse.OVERSIGHT)
        ours = self._certified(self._me, KeyUse.OVERSIGHT)
        if theirs.isdisjoint(kids) or ours.isdisjoint(kids) or not (theirs | ours).issuperset(kids):
            # A new key may be on its way to my view.
            raise Early("oversight-contradicts", "not sealed to both oversight keys, and no other")

    def _certified(self, agency: AgencyId, use: KeyUse) -> frozenset[KeyId]:
        """Keys that were ever certified for this use, also those that ended or are revoked."""
        found = self._known.get((agency, use))
        if found is None:
            found = self._known[agency, use] = frozenset(
                certified.key.kid
                for certified in self._view.certified(agency)
                if certified.certificate.use is use
            )
        return found


def parts(value: bytes) -> tuple[bytes, bytes]:
    """Split a value into its two envelopes, which their own reader then reads strictly.

    A well-formed envelope holds base64url alone, so the second name stands in it nowhere else. A
    value has one written form: no blank stands around the envelopes, in which their own may.
    """
    if not value.startswith(_CONTENT) or not value.endswith(b"}"):
        raise Refused("value-malformed", "not content and record")
    content, found, record = value[len(_CONTENT) : -1].partition(_RECORD)
    if not found or not _braced(content) or not _braced(record):
        raise Refused("value-malformed", "not content and record")
    if len(record) > SEALED_RECORD_MAX:
        raise Refused("envelope-too-large", "the audit would not keep it for the officers")
    return content, record


def _read(plaintext: bytes) -> Unsealed:
    """Split the one written form of a content: its exact bytes are the payload's and the record's.

    In JSON text a quotation mark is escaped, so the last unescaped `,"record":"` begins the record;
    a payload that holds one of its own does not reach beyond it and fails to parse.
    """
    if not plaintext.startswith(_ATTACHMENTS):
        raise Refused("content-malformed", "not attachments, payload and record")
    attachments, found, rest = plaintext[len(_ATTACHMENTS) :].partition(_PAYLOAD)
    payload, separator, record = rest.rpartition(_TEXT)
    if not found or not separator or not _braced(payload) or not record.endswith(b'"}'):
        raise Refused("content-malformed", "not attachments, payload and record")
    if attachments != b"[]":
        if not strictjson.crowded(attachments, schemas.ENTRIES_MAX):
            strictjson.loads(attachments, code="content-malformed")
        raise Refused("attachments-unknown", "this version reads none")
    text = strictjson.loads(b'"' + record[:-1], max_depth=0, code="content-malformed")
    return Unsealed(payload, text.encode())


def _braced(text: bytes) -> bool:
    return text[:1] == b"{" and text[-1:] == b"}"


def _word(payload: bytes) -> Word:
    members = strictjson.loads(payload, max_depth=1, code="receipt-malformed")
    word = Word.read(payload, "receipt-malformed")
    if None in members.values():  # an object, since it is a word
        raise Refused("receipt-malformed", "what is absent is left out")
    return word


def _check_word(receipt: ReceiptFor, word: Word, record: ReceiptRecord) -> None:
    told = (record.kind, record.of, record.code, record.responsible, record.reason)
    said = (receipt.kind, receipt.of, receipt.code, word.responsible, word.reason)
    if told != said:
        raise Refused("receipt-contradicts", "record, word and context differ")
    if (receipt.code == NOT_RESPONSIBLE) is not (word.responsible is not None):
        raise Refused("receipt-contradicts", "who is responsible belongs to not-responsible")
