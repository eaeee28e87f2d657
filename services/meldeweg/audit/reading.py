"""What the audit shows, read from the database: checkpoints, tiles, entries, alarms.

Guarantees: nothing is shown of the tree beyond what is signed. Trusts nothing to be right: whoever
reads verifies against the checkpoint.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meldeweg.audit.database import Cursor, Pool
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.tiles import ENTRIES, WIDTH, Tile, TileTree, encode_bundle, tile_at


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed tree head as it is served."""

    year: int
    origin: str
    size: int
    root: bytes
    note: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it is kept. `canonical` None: erased, or the genesis."""

    year: int
    index: int
    topic: str | None
    topic_id: bytes | None
    offset: int | None
    appended: int
    canonical: bytes | None
    sealed: bytes | None
    leaf: bytes


_FROM = "FROM entry e LEFT JOIN stream s ON s.id = e.stream "
_HEAD = "SELECT year, index, topic, topic_id, e.offset, appended, canonical, "
_ONE = _HEAD + "sealed, leaf " + _FROM + "WHERE year = %s AND index = %s"
_FOUND = (
    _HEAD + "sealed, leaf " + _FROM + "WHERE topic = %s AND e.offset = %s "  # noqa: S608 - constants
    "AND index < (SELECT max(size) FROM checkpoint c WHERE c.year = e.year)"
)
_SPAN = (
    _HEAD + "NULL::bytea, leaf " + _FROM + "WHERE year = %s AND index >= %s AND index < %s "
    "ORDER BY index"
)
_CHUNK = 1000


class Reading:
    """Queries, each in one snapshot."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def years(self) -> list[int]:
        with self._pool.transaction() as cursor:
            cursor.execute("SELECT year FROM log ORDER BY year")
            return [row[0] for row in cursor.fetchall()]

    def signed(self, year: int | None = None, size: int | None = None) -> Signed:
        """Return the newest checkpoint (of a year, of a size); `Refused("checkpoint-absent")`."""
        with self._pool.transaction() as cursor:
            return _signed(cursor, year, size)

    def tile(self, tile: Tile, year: int | None = None) -> bytes:
        """Return a tile of any size that the newest checkpoint covers; `tile-absent`.

        A partial tile is the beginning of the wider one, so every signed size has its tiles.
        """
        with self._pool.transaction() as cursor:
            head = _signed(cursor, year, None)
            if tile.width > tile_at(tile.level, tile.index, head.size).width:
                raise Refused("tile-absent", tile.path())
            return _tile(cursor, head.year, tile)

    def inclusion(
        self, index: int, size: int | None, year: int | None
    ) -> tuple[Signed, list[bytes]]:
        with self._pool.transaction() as cursor:
            head = _signed(cursor, year, size)
            tree = TileTree(head.size, lambda tile: _tile(cursor, head.year, tile))
            return head, tree.inclusion_proof(index)

    def consistency(
        self, old: int, size: int | None, year: int | None
    ) -> tuple[Signed, list[bytes]]:
        with self._pool.transaction() as cursor:
            head = _signed(cursor, year, size)
            tree = TileTree(head.size, lambda tile: _tile(cursor, head.year, tile))
            return head, tree.consistency_proof(old)

    def entry(self, index: int, year: int | None = None) -> Stored:
        """Return one signed entry with its sealed record; `entry-absent`."""
        with self._pool.transaction() as cursor:
            head = _signed(cursor, year, None)
            if index < head.size:
                cursor.execute(_ONE, (head.year, index))
                if row := cursor.fetchone():
                    return Stored(*row)
        raise Refused("entry-absent", str(index))

    def find(self, topic: str, offset: int) -> list[Stored]:
        """Return the signed entries of an offset: one per topic id that the name has had."""
        with self._pool.transaction() as cursor:
            cursor.execute(_FOUND, (topic, offset))
            return [Stored(*row) for row in cursor.fetchall()]

    def entries(self, start: int, end: int, year: int) -> Iterator[Stored]:
        """Entries of a range in order, without their sealed records, a chunk at a time."""
        while start < end:
            with self._pool.transaction() as cursor:
                cursor.execute(_SPAN, (year, start, min(start + _CHUNK, end)))
                rows = cursor.fetchall()
            if not rows:
                return
            for row in rows:
                yield Stored(*row)
            start += len(rows)

    def manifests(self, year: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Manifests up to a signed size, in order."""
        number = -1
        while True:
            with self._pool.transaction() as cursor:
                cursor.execute(
                    "SELECT number, note FROM manifest WHERE year = %s AND number > %s "
                    "AND last <= %s ORDER BY number LIMIT %s",
                    (year, number, size, _CHUNK),
                )
                rows = cursor.fetchall()
            if not rows:
                return
            yield from rows
            number = rows[-1][0]

    def manifest(self, year: int, size: int) -> bytes:
        """Return the manifest that ends at a signed size; `manifest-absent`."""
        with self._pool.transaction() as cursor:
            cursor.execute(
                "SELECT m.note FROM checkpoint c JOIN manifest m "
                "ON m.year = c.year AND m.number = c.manifest WHERE c.year = %s AND c.size = %s",
                (year, size),
            )
            row = cursor.fetchone()
        if row is None:
            raise Refused("manifest-absent", str(size))
        data: bytes = row[0]
        return data

    def streams(self) -> list[dict[str, Any]]:
        with self._pool.transaction() as cursor:
            cursor.execute("SELECT topic, topic_id, next, halted FROM stream ORDER BY topic, id")
            return [
                {"topic": topic, "topic_id": topic_id.hex(), "next": following, "halted": halted}
                for topic, topic_id, following, halted in cursor.fetchall()
            ]

    def alarms(self, *, everything: bool) -> list[dict[str, Any]]:
        with self._pool.transaction() as cursor:
            cursor.execute(
                "SELECT id, code, subject, detail, first_at, last_at, count, resolved_at, "
                "resolved_by FROM alarm WHERE %s OR resolved_at IS NULL "
                "ORDER BY id DESC LIMIT 1000",
                (everything,),
            )
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def decisions(self) -> list[dict[str, Any]]:
        with self._pool.transaction() as cursor:
            cursor.execute(
                "SELECT at, kind, subject, code, was, now, by, reason FROM decision "
                "ORDER BY id DESC LIMIT 1000"
            )
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _signed(cursor: Cursor, year: int | None, size: int | None) -> Signed:
    cursor.execute(
        "SELECT c.year, origin, c.size, root, note, signed_at FROM checkpoint c "
        "JOIN log l ON l.year = c.year "
        "WHERE c.year = coalesce(%(year)s, (SELECT max(year) FROM checkpoint)) "
        "AND c.size = coalesce(%(size)s, (SELECT max(size) FROM checkpoint d "
        "WHERE d.year = coalesce(%(year)s, (SELECT max(year) FROM checkpoint))))",
        {"year": year, "size": size},
    )
    row = cursor.fetchone()
    if row is None:
        raise Refused("checkpoint-absent")
    return Signed(*row)


def _tile(cursor: Cursor, year: int, tile: Tile) -> bytes:
    if tile.level == ENTRIES:
        start = tile.index * WIDTH
        cursor.execute(
            "SELECT leaf FROM entry WHERE year = %s AND index >= %s AND index < %s ORDER BY index",
            (year, start, start + tile.width),
        )
        return encode_bundle([row[0] for row in cursor.fetchall()])
    cursor.execute(
        "SELECT substr(data, 1, %s) FROM tile WHERE year = %s AND level = %s AND index = %s",
        (tile.width * 32, year, tile.level, tile.index),
    )
    row = cursor.fetchone()
    if row is None:
        raise Refused("tile-absent", tile.path())
    data: bytes = row[0]
    return data
