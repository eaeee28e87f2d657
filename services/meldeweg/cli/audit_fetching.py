"""Get the entry that somebody asked for from the audit service, and the proof of its place.

Guarantees: what is returned is what was asked for (index, year, message digest), or `Refused`: the
service could otherwise show another entry, as true as the one that was meant. Of the entry itself
nothing is believed here: see `audit_open` and `audit_evidence`.
"""

from typing import Any

from meldeweg.cli.asking import Auditor
from meldeweg.cli.audit_entry import Entry, Proof, read_entry, read_page, read_proof
from meldeweg.kernel import statement
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import parse_canonical, statement_of


def by_index(auditor: Auditor, index: int, year: int | None = None) -> Entry:
    """Fetch one entry of a year's log, by default the newest. `entry-not-asked-for`."""
    entry = read_entry(auditor.get(f"/v1/entries/{index}{_of(year, '?')}"))
    if entry.index != index or year not in (None, entry.year):
        raise Refused("entry-not-asked-for", f"index {entry.index} of {entry.year}")
    return entry


def by_digest(auditor: Auditor, digest: str, year: int | None = None) -> Entry:
    """Fetch the transfer with this message digest. `entry-unknown`, `entry-not-asked-for`.

    A list has no sealed records, so the entry is asked for again. Without a year the newest log's
    first page says which it is: a year may turn before the last.
    """
    start: int | None = 0
    while start is not None:
        page = read_page(auditor.get(f"/v1/entries?start={start}{_of(year, '&')}"), start)
        year = page.year if year is None else year
        for index, token in page.statements:
            if _digest(token) == digest:
                entry = by_index(auditor, index, year)
                if _digest(_token(entry)) != digest:
                    raise Refused("entry-not-asked-for", "another message digest")
                return entry
        start = page.next
    raise Refused("entry-unknown", "no transfer with this digest in the log")


def proof_of(auditor: Auditor, entry: Entry) -> Proof:
    """Fetch the proof that an entry lies under the newest checkpoint of its year."""
    query = f"index={entry.index}{_of(entry.year, '&')}"
    return read_proof(auditor.get(f"/v1/proofs/inclusion?{query}"))


def _of(year: int | None, sign: str) -> str:
    return "" if year is None else f"{sign}year={year}"


def _token(entry: Entry) -> bytes | None:
    if entry.canonical is None:
        return None
    return statement_of(parse_canonical(entry.canonical).headers)


def _digest(token: bytes | None) -> Any:
    """Return the message digest of a statement; what is none has none."""
    try:
        return None if token is None else statement.parse(token).digest
    except Refused:
        return None
