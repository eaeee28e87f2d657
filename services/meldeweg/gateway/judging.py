"""One batch's judge: a record goes in, what it is comes out, and nothing it holds can stop us.

Guarantees: every record gets exactly one outcome; a mistake of ours that a record provokes rejects
that record (`record-unprocessable`), never the batch and never the consumer (I6). Pure.
Trusts: the view and the keys; all records of a batch are judged at one moment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from meldeweg.gateway.covering import Coverage, Covered, Originals
from meldeweg.gateway.opening import Opener, usable
from meldeweg.gateway.receipts import Word
from meldeweg.gateway.verification import Proof, Proven, Rejected, Verifier, rejected
from meldeweg.kernel import logs
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.statement import Context, ReceiptFor
from meldeweg.kernel.trust.view import View

T = TypeVar("T")
log = logs.get()


@dataclass(frozen=True, slots=True)
class Message:
    """A message after step 10."""

    proven: Proven = field(repr=False)
    covered: Covered


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt after step 9. Whether we sent what it answers is the store's to say."""

    proven: Proven = field(repr=False)
    receipt: ReceiptFor
    word: Word | None = field(repr=False)

    @property
    def context(self) -> Context:
        return self.proven.statement.context


class Judge:
    """Steps 1 to 5 and 7 to 10 for one batch."""

    def __init__(
        self,
        me: AgencyId,
        view: View,
        keys: Mapping[KeyId, OpenKey],
        originals: Originals,
        now: datetime,
    ) -> None:
        self._verifier = Verifier(me, view, now)
        self._opener = Opener(me, view, *usable(view, me, keys, now))
        self._coverage = Coverage(me, view, originals, now)

    def prove(self, record: Record) -> Proven | Rejected:
        """Take steps 1 to 5."""
        return _guarded(lambda: self._verifier.prove(record), record)

    def open(self, proven: Proven) -> Message | Receipt | Rejected:
        """Take steps 7 to 10 of what step 6 found new."""
        if proven.context.kind == "message":
            return _guarded(lambda: self._message(proven), proven.record, proven)
        return _guarded(lambda: self._receipt(proven), proven.record, proven)

    def _message(self, proven: Proven) -> Message:
        unsealed = self._opener.unseal(proven.statement, proven.value)  # 7, 8
        return Message(proven, self._coverage.message(proven.context, unsealed))  # 9, 10

    def _receipt(self, proven: Proven) -> Receipt:
        word = self._opener.receipt(proven.statement, proven.value)  # 7, 8
        self._coverage.receipt(proven.context)  # 9
        receipt = proven.context.receipt
        assert receipt is not None  # kind == "receipt"
        return Receipt(proven, receipt, word)


def _guarded(step: Callable[[], T], record: Record, proven: Proven | None = None) -> T | Rejected:
    statement = proven.statement if proven else None
    proof = Proof.AUTHENTIC if proven else Proof.NOTHING
    try:
        return step()
    except Refused as exc:
        return rejected(record, exc, proof, statement)
    except (Unavailable, Fatal, MemoryError):
        raise
    except Exception:  # a record must not stop the consumer, whatever it hits
        log.exception("record_unprocessable", topic=record.topic, offset=record.offset)
        why = Refused("record-unprocessable", "a mistake in this software")
        return rejected(record, why, proof, statement)
