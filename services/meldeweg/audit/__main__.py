"""The audit service: `python -m meldeweg.audit`.

bus ──► ingest ──► ledger ──► sealing ──► bus
          │           │          │
       project     PostgreSQL  checkpoint, tiles ──► api (reading)
"""

from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build
from meldeweg.audit.database import Pool
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.ingest import Ingest
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.reading import Reading
from meldeweg.audit.sealing import Sealer
from meldeweg.audit.settings import AuditSettings
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.databaseuri import read_database
from meldeweg.kernel.keyfile import read_public_key, read_signing_key
from meldeweg.kernel.note import Signer
from meldeweg.kernel.service import Service, run
from meldeweg.kernel.settings import load, naming

_STALLED = 90.0  # seconds without a turn; longer than the longest wait for broker or database


def wire() -> Service:
    settings = load(AuditSettings)
    with naming("key"):
        key = read_signing_key(settings.key)
    with naming("former_keys"):
        former = tuple(read_public_key(path).public for path in settings.former_keys)
    with naming("database"):
        uri = read_database(settings.database)

    def signer(origin: str) -> Signer:
        return Signer(origin, key.public.public, key.sign)

    reading = Reading(Pool(uri))
    connection = Connection.of(settings.kafka, "audit")
    ledger = Ledger(uri, settings.clock())
    sealer = Sealer(ledger, signer, former)
    ingest = Ingest(connection, ledger, sealer, settings.origin)
    decide = Deciding(ledger, ingest.between, ingest.end_of)
    app = build(reading, Auditors(settings.auditors), sealer.verifiers, decide)
    service = Service("audit", settings, app=app)
    service.part("ingest", ingest)
    service.check("ingest", ingest.missing)
    service.task("ingest", ingest.run)
    service.watchdog("ingest", age=ingest.age, limit=_STALLED, restart=ingest.restart)
    return service


if __name__ == "__main__":
    run("audit", wire)
