"""What must not work, tried for real; the demonstration fails if any of it succeeds."""

import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path

from meldeweg.audit import verify as offline
from meldeweg.audit.export import export
from meldeweg.audit.sources import open_source
from meldeweg.cli import register_file
from meldeweg.cli.asking import Auditor
from meldeweg.cli.audit_evidence import weigh
from meldeweg.cli.audit_fetching import by_index, proof_of
from meldeweg.cli.audit_open import open_entry
from meldeweg.client import Gateway, NotCovered
from meldeweg.demo import marks
from meldeweg.demo.story import LABELS, MARKS, POLICE_PERSON, Cast, example
from meldeweg.demo.telling import Teller, must
from meldeweg.kernel import note, signing, statement, topics
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.probe import read_is_allowed
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.keyfile import read_open_key
from meldeweg.kernel.schemas import MessageType
from meldeweg.kernel.signing import Typ
from meldeweg.local.description import Description

_LOGGED = 30.0  # seconds until the log has what was sent


def foreign_inbox(stack: Description, cast: Cast, tell: Teller) -> None:
    """A youth office with a valid certificate reads another's inbox: the broker refuses."""
    topic = topics.inbox(AgencyId(cast.office), AgencyId(cast.police))
    with tell.step(f"{cast.other} will den Eingang von {cast.office} lesen") as said:
        asyncio.run(read_is_allowed(_as(stack, cast.office), topic))  # the attempt itself works
        try:
            asyncio.run(read_is_allowed(_as(stack, cast.other), topic))
        except Refused as exc:
            said.append(f"vom Broker abgewiesen: {exc.code} ({topic})")
        else:
            must(False, "the broker let a stranger read")


def outside(police: Gateway, cast: Cast, tell: Teller) -> None:
    """A report for a municipality outside the district is refused, with the rule."""
    with tell.step(f"Meldung für eine Gemeinde außerhalb des Kreises ({cast.outside})") as said:
        try:
            police.send(
                "notification",
                {"place": cast.outside},
                example(MessageType.NOTIFICATION),
                acting_person=POLICE_PERSON,
                labels=LABELS,
            )
        except NotCovered as exc:
            said.append(f"abgelehnt: {exc.code}, Regel „{exc.rule}“; {exc.rule_text or ''}")
            if exc.call:
                said.append(f"wen man stattdessen anruft: {exc.call.office}")
        else:
            must(False, "a report left the district")


def nothing_readable(stack: Description, directory: Path, message: str, tell: Teller) -> None:
    """No word of the payloads stands in any file of the stack, in any encoding.

    That the search looks where the broker keeps its records, their identifier shows: it is found.
    """
    with tell.step("Steht irgendwo etwas Lesbares?") as said:
        kept = [stack.broker.data, *(node.data for node in stack.broker.nodes)]
        seen = {path for place in kept for path, _ in marks.found_in(place, [message])}
        must(seen, f"the search finds not even the message's identifier below {kept[0]}")
        places = [directory]
        for place in (*kept, stack.postgres.data):  # in containers it lies elsewhere
            if not any(place.is_relative_to(each) for each in places):
                places.append(place)
        found = [f"{path}: {word}" for each in places for path, word in marks.found_in(each, MARKS)]
        must(not found, "; ".join(found))
        files = sum(path.is_file() for each in places for path in each.rglob("*"))
        said.append(f"{len(MARKS)} Stellen der Meldungen in {files} Dateien gesucht, keine da")
        said.append(f"ihre Kennung dagegen steht beim Broker in {len(seen)} Dateien")


def log_proves(stack: Description, directory: Path, digest: str, tell: Teller) -> Path:
    """Export the log, verify it offline, find the transfer in it; returns the export.

    The log's key and the sender's come from the register, which the trust anchor proves, and not
    from the export.
    """
    out = Path(tempfile.mkdtemp(prefix="protokoll-", dir=directory)) / "export"
    audit = stack.services["audit"]
    with tell.step("Das Protokoll wird ausgegeben und ohne Meldeweg-Dienst geprüft") as said:
        head = _export_with(audit.url, audit.token, digest, out)
        register = register_file.of_stack(directory)
        keys = register.service_keys("audit")
        with open_source(str(out)) as source:
            vkeys = [note.Verifier(head.origin, key.public).vkey() for key in keys]
            must(vkeys, "the anchor names no key of the log")  # else the export's own would do
            report = offline.verify(source, vkeys=vkeys)
        must(report.ok, str(report.as_json()))
        _, told = _entry_of(out, digest)
        sender = told.context.sender
        key = register.signature_key(sender, told.jws.kid, SystemClock().now())
        signing.verify(told.jws, key)
        said.append(f"{report.entries} Einträge, Wurzel {report.root[:16]}…, {head.origin}")
        said.append(f"signiert wie der Vertrauensanker es sagt: das Protokoll und {sender}")
        place = out.relative_to(directory)  # the end of the story says whether that stays
        said.append(f"darin die Übermittlung {digest[:16]}…; ausgegeben in {place}")
    return out


def one_byte(out: Path, tell: Teller) -> None:
    """One changed byte anywhere in the export is found."""
    with tell.step("Ein einziges geändertes Byte im Protokoll fällt auf, wo es auch liegt") as said:
        changed = out.with_name("changed")
        for name in ("tile/entries", "leaves.jsonl", "tile/0", "checkpoint"):
            shutil.rmtree(changed, ignore_errors=True)
            shutil.copytree(out, changed)
            place = changed / name
            file = place if place.is_file() else min(p for p in place.rglob("*") if p.is_file())
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
            with open_source(str(changed)) as source:
                report = offline.verify(source)
            must(not report.ok, f"a changed byte in {name} was not found")
            said.append(f"{name}: gefunden, {report.broken[0].code}")


def officer_opens(
    stack: Description, directory: Path, out: Path, digest: str, key: Path, tell: Teller
) -> None:
    """The data protection officer's key, and no other, shows why it was sent."""
    audit = stack.services["audit"]
    auditor = Auditor(audit.url, audit.token, stack=directory)
    with tell.step("Der Datenschutz öffnet mit eigenem Schlüssel, warum übermittelt wurde") as said:
        entry = by_index(auditor, _entry_of(out, digest)[0])
        opened = open_entry(entry, read_open_key(key))
        register = register_file.of_stack(directory)
        now = SystemClock().now()
        evidence = weigh(opened, entry, proof_of(auditor, entry), register, now)
        must(not evidence.notices, ", ".join(evidence.notices))
        record = opened.record
        said.append(
            f"Eintrag {entry.index}: signiert von {opened.statement.context.sender}, enthalten im"
            f" Protokoll; beide Schlüssel führen zum Vertrauensanker"
        )
        said.append(f"Art {record['type']}, Gründe {', '.join(record['grounds'])}")
        said.append(f"Klausel „{record['clause']}“; Zweck: {record['purpose']}")


def _export_with(url: str, token: str, digest: str, out: Path) -> note.Checkpoint:
    """Export until the log has the transfer: audit follows the exchange, it never holds it up."""
    end = time.monotonic() + _LOGGED
    while True:
        with open_source(url, token) as source:
            head = export(source, out)
        try:
            _entry_of(out, digest)
        except LookupError:
            must(time.monotonic() < end, "the transfer is not in the log")
            shutil.rmtree(out)
            time.sleep(0.3)
        else:
            return head


def _entry_of(out: Path, digest: str) -> tuple[int, statement.Statement]:
    """Return index and statement of the entry with this message digest."""
    for line in (out / "leaves.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        token = entry.get("statement")
        if isinstance(token, str) and signing.typ_of(token) is Typ.STATEMENT:
            parsed = statement.parse(token.encode())
            if parsed.digest == digest:
                return int(entry["index"]), parsed
    raise LookupError(digest)


def _as(stack: Description, agency: str) -> Connection:
    kafka = stack.agencies[AgencyId(agency)].kafka
    return Connection(
        stack.broker.bootstrap, stack.broker.ca, kafka.cert, kafka.key, f"demo-{agency}"
    )
