"""What could not be processed, for those who look after the gateway: searchable, and says why.

Guarantees: every record is there with its reason code and the explanation of that code, and until
its time has come (`retention`) with its exact bytes; a value is shown by size and hash alone.
Trusts: nothing of what it shows; `sender` is only whose topic it lay in, unless `verified`.
"""

from meldeweg.gateway.api.arrived import (
    QuarantineHeader,
    QuarantineItem,
    QuarantinePage,
    QuarantineRecord,
)
from meldeweg.gateway.cursor import position
from meldeweg.gateway.refusals import explained
from meldeweg.gateway.store import Store, quarantine
from meldeweg.gateway.store.quarantine import NewQuarantined, Quarantined
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.strictjson import b64u_encode


class Quarantine:
    """The API's port."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, after: str | None, limit: int) -> QuarantinePage:
        """Return what was quarantined after the cursor, in order of arrival."""
        start = position(after)
        rows = await self._store.read(lambda db: quarantine.after(db, start, limit))
        end = rows[-1].seq if rows else start
        return QuarantinePage(items=tuple(map(_item, rows)), next=str(end))

    async def get(self, record: str) -> QuarantineRecord:
        """Return one record with its headers; `quarantine-unknown`."""
        seq = _number(record)
        row, full = await self._store.read(
            lambda db: (quarantine.by_seq(db, seq), quarantine.record(db, seq))
        )
        if row is None or full is None:
            raise Refused("quarantine-unknown", "")
        return _shown(_item(row), full)


def _number(record: str) -> int:
    try:
        return position(record)
    except Refused as exc:
        raise Refused("quarantine-unknown", "") from exc


def _item(row: Quarantined) -> QuarantineItem:
    why = explained(row.code)
    return QuarantineItem(
        id=str(row.seq),
        at=row.at,
        topic=row.topic,
        offset=row.topic_offset,
        code=row.code,
        explanation=why.german,
        explanation_en=why.english,
        verified=row.verified,
        sender=row.sender,
        urgency=row.urgency,
        digest=row.digest,
        delete_after=row.delete_after,
        erased_at=row.erased_at,
        times=row.times,
        last_at=row.last_at,
        last_offset=row.last_offset,
    )


def _shown(item: QuarantineItem, full: NewQuarantined) -> QuarantineRecord:
    return QuarantineRecord(
        **{name: getattr(item, name) for name in QuarantineItem.model_fields},
        key_size=None if full.key is None else len(full.key),
        value_size=None if full.value is None else len(full.value),
        value_sha256=None if full.value is None else Digest.of(full.value),
        headers=tuple(
            QuarantineHeader(
                name=b64u_encode(name.encode("utf-8", "surrogateescape")),
                value=None if value is None else b64u_encode(value),
            )
            for name, value in full.headers
        ),
    )
