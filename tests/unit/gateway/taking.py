"""A person at the receiving side: who it is, what they order, and what they are refused."""

import pytest

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.receipts import Answered, ReceiptRecord, Sealing, Word, given_by_person
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.statement import ReceiptKind, Seq
from unit.gateway.world import KREIS, NOW, POLICE

ERIKA, MAX = "Erika Beispiel", "Max Muster"


def order(kind, by=ERIKA, **more):
    return ReceiptOrder(kind=ReceiptKind(kind), by=by, **more)


async def refusal(call):
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


def answered(record):
    told = statements.parse(record.header("statement"))
    context = told.context
    return Answered(
        told.digest,
        context.sender,
        record.topic,
        record.offset,
        context.agreement,
        context.exercise,
        context.delete_after,
    )


def person_receipt(world, message, kind, *, word=None, bent=None, **changes):
    """A person's receipt as the receiving gateway makes it; `bent`: its record says other."""
    police, kreis = world.offices[POLICE], world.offices[KREIS]
    told = answered(message)
    members = (
        {
            "v": 1,
            "kind": kind,
            "of": told.digest,
            "actor_ref": "ab" * 16,
            "nonce": "A" * 43,
        }
        | changes
        | (bent or {})
    )
    row = given_by_person(
        KREIS,
        told,
        kind,
        Seq(outbox="ab" * 8, n=1),
        kreis.signing,
        NOW,
        word or Word(v=1, by="Erika Beispiel", reason=members.get("reason")),
        ReceiptRecord(**members),
        Sealing(police.seal.public, (police.oversight.public, kreis.oversight.public)),
    )
    return Record(row.topic, 0, 0, 0, row.key, row.value, row.headers)
