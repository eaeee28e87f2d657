"""What is sent and received is looked for in the audit log, and nobody waits for that."""

import sqlite3
import time
from contextlib import closing

import plain
from e2e.asking import eventually
from e2e.invented import KREIS, POLICE
from meldeweg.gateway.store.database import FILE


def rows(district, agency, query, *args):
    """Read a gateway's store beside it."""
    path = district.described.agencies[agency].store / FILE
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(query, args).fetchall()


def waiting(district, digest):
    """Return a message's row in the outbox: settled, included, whether its value is there."""
    query = "SELECT settled_at, included_at, value IS NOT NULL FROM outbox WHERE ref = ?"
    return rows(district, POLICE, query, digest)


def metric(district, agency, name):
    url = district.described.agencies[agency].url
    text = plain.get(f"{url}/metrics").text
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith(f"meldeweg_{name}")
    }


def unfound(district, agency):
    """Return what an agency's log should have had five seconds ago."""
    before = district.now().timestamp() - 5
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))
    sent = "SELECT topic, topic_offset FROM outbox WHERE included_at IS NULL AND waits_since < ?"
    return [
        *rows(district, agency, sent, stamp),
        *rows(district, agency, "SELECT topic, first FROM arrived WHERE at < ?", stamp),
    ]


def test_a_delivered_message_leaves_the_outbox_once_it_is_in_the_log(district):
    sent = district.report()
    digest = district.becomes(sent.id, "delivered").digest
    eventually(lambda: not waiting(district, digest), shown=lambda: waiting(district, digest))
    district.logged(digest)
    for agency in (POLICE, KREIS):
        eventually(
            lambda a=agency: not unfound(district, a), shown=lambda a=agency: unfound(district, a)
        )
        assert metric(district, agency, "log_checkpoint_size")["meldeweg_log_checkpoint_size"] > 0
    receipts = "SELECT included_at FROM outbox WHERE kind = 'receipt'"
    eventually(lambda: all(at for (at,) in rows(district, KREIS, receipts)))
    assert rows(district, POLICE, "SELECT * FROM log_evidence") == []


def test_while_the_audit_stands_still_messages_go_on_and_wait_for_it(district):
    with district.frozen("audit"):
        sent = district.report()
        found = district.becomes(sent.id, "delivered", seconds=15)
        time.sleep(2)
        ((settled, included, value),) = waiting(district, found.digest)
        assert settled
        assert included is None
        assert value
        assert district.is_ready(f"gateway-{POLICE}")
        again = district.report()
        district.becomes(again.id, "delivered", seconds=15)
    digests = [found.digest, district.police.sent(again.id).digest]
    eventually(lambda: not [row for digest in digests for row in waiting(district, digest)])
    eventually(lambda: not unfound(district, KREIS), shown=lambda: unfound(district, KREIS))


def test_what_was_found_was_produced_once_and_alarmed_nobody(district):
    again = "log_records_produced_again_total"
    assert metric(district, POLICE, again) == {f"meldeweg_{again}": 0.0}
    codes = {told.code for told in district.events(POLICE, "alarm")}
    assert codes.isdisjoint({"not-in-log", "log-differs", "log-forked", "manifest-missing"})
