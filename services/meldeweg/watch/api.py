"""What operators ask: JSON with the operators' token, Prometheus metrics without names of cases.

Guarantees: nothing served says what a message is about or whom it concerns (I10): parties, times,
urgency, and whether a person has taken it. Until all is read that lay there at the start, no
message is counted or named and no gateway called silent, there is no series of them, `caught_up`
says so, and `meldeweg_watch_caught_up` is 0; what gateways say of themselves is as far as was read.
"""

import asyncio
import math
from datetime import datetime, timedelta
from typing import Any

from fastapi import Depends, FastAPI

from meldeweg.kernel import logs, metrics, topics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.service.operators import Malformed, Operator, answer_problems
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.view import View
from meldeweg.watch.ledger import Ledger, Open

_PAGE = 500
_HELD = timedelta(days=topics.EXCHANGE_DAYS)
log = logs.get()
_caught_up = metrics.gauge("watch_caught_up", "1 once all is read that lay there at the start")
_undelivered = metrics.gauge("messages_undelivered", "On the bus, no `delivered` yet", "urgency")
_overdue = metrics.gauge("messages_overdue", "Past their deadline, nobody took them", "urgency")
_silent = metrics.gauge("gateway_silent", "1 while no heartbeat was heard lately", "agency")
_oldest = metrics.gauge("oldest_undelivered_seconds", "Age of the oldest one; NaN: not known yet")
_oldest.set(math.nan)
_parked = metrics.gauge("gateway_parked", "Records that wait at a gateway", "agency")
_quarantined = metrics.gauge("gateway_quarantined", "Records in quarantine at a gateway", "agency")


def build(ledger: Ledger, view: View, clock: Clock, token: str) -> FastAPI:
    """Return the application; `token`: the operators' bearer token."""
    app = FastAPI(title="Meldeweg watch", docs_url=None, redoc_url=None)
    guarded = [Depends(Operator(token))]
    answer_problems(app)

    @app.get("/v1/overview", dependencies=guarded)
    async def overview() -> dict[str, Any]:
        """Return the district's state: what is open, undelivered, overdue, and who is silent.

        Null before `caught_up`. Read again at each start from topics that hold 30 days: a message
        that was on the bus before `known_since` and that nobody took is not counted any more
        (nor its series in `/metrics`), though it is overdue until its `delete_after`. Both ends'
        gateways keep it, and say that it is overdue.
        """
        return summary(ledger, view, clock)

    @app.get("/v1/messages", dependencies=guarded)
    async def messages(state: str = "open") -> dict[str, Any]:
        """Return the oldest of `open`, `undelivered` or `overdue`, none from before `known_since`.

        Before `caught_up` `total` is null and no item is given: what was read so far may be taken
        a record further on.
        """
        now = clock.now()
        found = _chosen(ledger, state, clock) if ledger.caught_up_at else []
        page = sorted(found, key=lambda each: each.since)[:_PAGE]
        return {
            "caught_up": ledger.caught_up_at is not None,
            "total": len(found) if ledger.caught_up_at else None,
            "items": [each.shown(now) for each in page],
        }

    return app


def _chosen(ledger: Ledger, state: str, clock: Clock) -> list[Open]:
    match state:
        case "open":
            return list(ledger.open.values())
        case "undelivered":
            return ledger.undelivered()
        case "overdue":
            return ledger.overdue(clock.now())
        case _:
            raise Malformed("state")


def summary(ledger: Ledger, view: View, clock: Clock) -> dict[str, Any]:
    """Return the state of the whole district in one object.

    `braked`: suspended or revoked agencies with their status. They may write nothing, so that their
    silence says nothing: they are not `silent`. Resumed, one is, until it is heard again.

    Before `caught_up`, what counts messages and silent gateways is None; the rest is what was read
    so far.
    """
    now = clock.now()
    enrolled = set(view.agencies())
    braked = _braked(view)
    counts: dict[str, Any] = {
        "open": len(ledger.open),
        "undelivered": len(ledger.undelivered()),
        "overdue": len(ledger.overdue(now)),
        "silent": sorted(ledger.silent(enrolled - braked.keys(), now)),
    }
    return {
        "at": now,
        "caught_up": ledger.caught_up_at is not None,
        "caught_up_at": ledger.caught_up_at,
        "known_since": ledger.caught_up_at and ledger.caught_up_at - _HELD,
        **(counts if ledger.caught_up_at else dict.fromkeys(counts)),
        "braked": braked,
        "not_understood": dict(ledger.unread),
        "gateways": {
            agency: {
                "heard": pulse.at,
                "parked": pulse.heartbeat.parked,
                "quarantined": pulse.heartbeat.quarantined,
                "waiting": pulse.heartbeat.waiting,
            }
            for agency, pulse in sorted(ledger.pulses.items())
        },
        "events": {
            agency: {kind: n for (each, kind), n in ledger.events.items() if each == agency}
            for agency in sorted(enrolled)
        },
    }


def _braked(view: View) -> dict[AgencyId, AgencyStatus]:
    found = {agency: view.status(agency) for agency in sorted(view.agencies())}
    return {agency: of for agency, of in found.items() if of is not AgencyStatus.ACTIVE}


async def measure(ledger: Ledger, view: View, clock: Clock, period: float) -> None:
    """Keep the gauges true for ever: ages and deadlines change without any record."""
    while True:
        now = clock.now()
        if forgotten := ledger.forget(now):
            log.warning(
                "open_messages_forgotten", count=forgotten
            )  # nobody took them in all that time
        if ledger.caught_up_at is not None:
            _caught_up.set(1)
            _count(ledger, view, now)
        await asyncio.sleep(period)


def _count(ledger: Ledger, view: View, now: datetime) -> None:
    undelivered = ledger.undelivered()
    for gauge, found in ((_undelivered, undelivered), (_overdue, ledger.overdue(now))):
        gauge.clear()
        for (urgency, exercise), count in ledger.by_urgency(found).items():
            gauge.labels("exercise" if exercise else str(urgency)).set(count)
    ages = [(now - each.since).total_seconds() for each in undelivered]
    _oldest.set(max(ages, default=0.0))
    braked = _braked(view)
    expected = view.agencies().keys() - braked.keys()
    silent = ledger.silent(expected, now)
    for each in (_silent, _parked, _quarantined):
        each.clear()  # no alarm may stand for ever of one that was revoked
    for agency in expected:
        _silent.labels(agency).set(agency in silent)
    for agency, pulse in ledger.pulses.items():
        if braked.get(agency) is AgencyStatus.REVOKED:
            continue
        _parked.labels(agency).set(pulse.heartbeat.parked)
        _quarantined.labels(agency).set(pulse.heartbeat.quarantined)
