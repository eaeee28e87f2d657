"""Examines one service, or a whole local stack: gathers in the order in which things build on each
other, and judges. What can't be asked because something below it is broken is not asked.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from meldeweg.doctor import gather_bus, gather_files, gather_net, judging
from meldeweg.doctor.catalogue import Finding
from meldeweg.doctor.facts import ClockFacts, ServiceFacts
from meldeweg.kernel import keyfile
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import MeldewegError, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import HttpSettings, KafkaSettings


@dataclass(frozen=True, slots=True)
class Subject:
    """A service to be examined.

    `principal`: as whom the broker must see it; `audit`: where it looks for its records in the log.
    """

    name: str
    principal: str
    kafka: KafkaSettings
    url: str | None = None
    listens: HttpSettings | None = None
    agency: AgencyId | None = None
    anchor: Path | None = None
    store: Path | None = None
    free_min: float = 0.1
    keys: Path | None = None
    database: Path | None = None
    audit: str | None = None


@dataclass(slots=True)
class Report:
    """What was examined and what was found. `reached`: anything answered at all."""

    checked: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    reached: bool = False
    clocks: list[ClockFacts] = field(default_factory=list)  # of each service that answered

    def add(self, found: "Report") -> None:
        self.checked += found.checked
        self.findings += found.findings
        self.reached |= found.reached
        self.clocks += found.clocks


def examine(subject: Subject, clock: Clock) -> Report:
    """Examine one service; takes some seconds, changes nothing."""
    report, now = Report(), clock.now()
    _service(subject, clock, report)
    _files(subject, now, report)
    if subject.database is not None:
        report.checked.append(f"{subject.name}: database")
        _database(subject, report)
    _broker(subject, clock, report)
    return report


def _broker(subject: Subject, clock: Clock, report: Report) -> None:
    """Look at the certificate, show it to the broker, and ask as whom it names: as nobody else."""
    name = subject.name
    report.checked.append(f"{name}: certificate")
    facts = gather_files.certificate(subject.kafka)
    found = list(judging.certificate(name, facts, subject.principal, clock.now()))
    if facts.trouble or not facts.has_its_key:
        report.findings += found
        return  # there is nothing to show
    report.checked.append(f"{name}: broker")
    answer = gather_net.broker(subject.kafka)
    report.findings += judging.of_one_cause(found, list(judging.broker(name, answer)))
    if not answer.code:
        report.reached = True
        asyncio.run(_bus(subject, clock, report, known=facts.principal == subject.principal))


def _service(subject: Subject, clock: Clock, report: Report) -> None:
    runs_here = False
    if subject.url is not None:
        report.checked.append(f"{subject.name}: service")
        facts, date = gather_net.service(subject.url, clock)
        runs_here = facts.service == subject.name
        report.reached |= runs_here
        if runs_here:
            report.findings += judging.service(subject.name, facts)
            _clock(subject.name, facts, date, report)
        elif subject.listens is None:
            other = (
                f"{facts.url}: {facts.service or 'not-meldeweg'}" if facts.reached else facts.url
            )
            report.findings.append(Finding(subject.name, "service-unreachable", other))
    if subject.listens is not None:
        facts_of_tls = gather_files.server_certificate(subject.listens)
        if facts_of_tls is not None:
            report.checked.append(f"{subject.name}: TLS")
            report.findings += judging.certificate(subject.name, facts_of_tls, "", clock.now())
        report.checked.append(f"{subject.name}: port")
        facts_of_port = gather_files.port(subject.listens, runs_here=runs_here)
        hindered = list(judging.port(subject.name, facts_of_port))
        report.findings += hindered
        if subject.url is not None and not runs_here and not hindered:
            report.findings.append(Finding(subject.name, "service-unreachable", subject.url))
    if subject.audit is not None:
        report.checked.append(f"{subject.name}: audit log")
        facts, date = gather_net.service(subject.audit, clock)
        report.findings += judging.audit(subject.name, facts)
        if facts.service == "audit":
            _clock(subject.name, facts, date, report)


def _clock(who: str, facts: ServiceFacts, date: ClockFacts | None, report: Report) -> None:
    """Compare this machine's clock with that of a service that is the one it should be."""
    if date is None:
        return
    theirs = replace(date, whose=f"{facts.service}, {facts.url}")
    report.clocks.append(theirs)
    report.findings += judging.clock(who, theirs)


def compare_clocks(who: str, report: Report) -> None:
    """Say when the services that were examined disagree among themselves; `who`: all of them."""
    if len(report.clocks) > 1:
        report.checked.append(f"{who}: clocks of services")
        report.findings += judging.disagreeing(who, report.clocks)


def _files(subject: Subject, now: datetime, report: Report) -> None:
    name = subject.name
    if subject.store is not None:
        report.checked.append(f"{name}: store")
        report.findings += judging.store(name, gather_files.store(subject.store, subject.free_min))
    if subject.keys is not None:
        report.checked.append(f"{name}: keys")
        report.findings += judging.keyring(name, gather_files.keyring(subject.keys), now)


def _database(subject: Subject, report: Report) -> None:
    assert subject.database is not None
    try:
        wrong = gather_net.database(subject.database.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as exc:
        wrong = f"{subject.database}: {type(exc).__name__}"
    if wrong:
        report.findings.append(Finding(subject.name, "database-unreachable", wrong))
    else:
        report.reached = True


async def _bus(subject: Subject, clock: Clock, report: Report, *, known: bool) -> None:
    """Ask on the bus; `known`: the broker sees us as ourselves, so our rights can be tried."""
    connection = Connection.of(subject.kafka, f"{subject.principal}.doctor")
    name = subject.name
    try:
        if subject.agency is not None and subject.anchor is not None:
            report.checked.append(f"{name}: snapshot")
            snapshot, passed = await gather_bus.snapshot(connection, clock)
            report.findings += judging.snapshot(name, snapshot, clock.now())
            if passed is not None:
                report.findings += judging.clock(name, passed)
            if not known:
                return
            report.checked.append(f"{name}: rights")
            anchor = keyfile.read_public_key(subject.anchor)
            tried = await gather_bus.rights(connection, subject.agency, anchor, clock)
            report.findings = judging.unexplained(name, report.findings, tried)
            report.findings += judging.rights(name, tried)
    except Unavailable as exc:
        report.findings.append(Finding(name, "broker-unreachable", exc.code))
    except MeldewegError as exc:
        report.findings.append(Finding(name, "setting-wrong", f"{exc.code} {exc.detail}"))


async def clocks(watch: KafkaSettings, agencies: list[AgencyId]) -> list[Finding]:
    """Compare every gateway's clock with the broker's; with the certificate of watch."""
    connection = Connection.of(watch, "watch.doctor")
    found: list[Finding] = []
    for agency in agencies:
        try:
            facts = await gather_bus.clock_of(connection, agency)
        except Unavailable:
            continue
        if facts is not None:
            found += judging.clock(f"gateway-{agency}", facts)
    return found
