"""What the measurements count: growth by the message, deliveries alone, the path and all of it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench import floor, inbox, memory, orders, pace, stand, table, verifying
from bench.figures import Figures
from bench.orders import AIMED, FULL, QUICK, Machine
from meldeweg.kernel import schemas

QUIET = Machine("2026-11-22T18:00", "Linux", "erfunden", 2, (0.0, 0.0, 0.0), {})


@pytest.fixture
def store():
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE sent (n INTEGER PRIMARY KEY, id TEXT, state TEXT)")
        yield db


def sent(db, *states):
    db.executemany(
        "INSERT INTO sent (id, state) VALUES (?, ?)",
        [(f"id-{n}", state) for n, state in enumerate(states)],
    )


@pytest.mark.parametrize("state", ["refused", "undeliverable"])
def test_a_message_that_came_back_is_no_delivery(store, state):
    sent(store, "delivered", state)
    pace.all_delivered(store, ["id-0"])
    with pytest.raises(stand.Late, match=state):
        pace.all_delivered(store, ["id-0", "id-1"])
    with pytest.raises(stand.Late, match="1 messages came back"):
        stand.none_came_back(store, 0)
    assert stand.none_came_back(store, 2) == 2  # what was told once


def test_all_that_is_through_may_be_with_people(store):
    sent(store, "delivered", "acknowledged")
    assert stand.none_came_back(store, 0) == 2


def test_growth_is_told_by_the_message_and_of_ours_alone():
    half = {"watch": 82.0, "gateway-a": 100.0, "broker-1": 300.0, "postgres": 40.0}
    full = {"watch": 89.0, "gateway-a": 101.0, "broker-1": 900.0, "postgres": 90.0}
    name, grown = memory.growth(half, full, 4000)
    assert (name, grown) == ("watch", 7 * 1024 * 1024 / 2000)  # 3.5 kB a message is no tenth


def verdicts(monkeypatch, orders, grown=5.0):
    """Measure nothing, and say of each figure with an aim what it says of it."""
    figures = Figures()
    looks = iter(({"watch": 80.0}, {"watch": 80.0 + grown}))
    monkeypatch.setattr(memory, "_after", lambda *_: next(looks))
    memory.measure(SimpleNamespace(**_store()), orders, {"watch": 80.0}, figures)
    monkeypatch.setattr(verifying, "_run", _log)
    verifying.measure(orders, figures)
    monkeypatch.setattr(inbox, "_fill", lambda *_: None)
    monkeypatch.setattr(inbox.asyncio, "run", lambda _: [1.0])
    monkeypatch.setattr(inbox, "_read", lambda *_: None)
    monkeypatch.setattr(inbox.connection, "open_writer", lambda _: _database())
    inbox.measure(SimpleNamespace(path_of_store=lambda _: None), orders, figures)
    return {each.name.split(":")[0]: table.verdict(each, QUIET) for each in figures if each.aim}


def _database():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE received (seq INTEGER)")
    return db


def _store():
    return {"store": lambda _: closing(_database()), "recipient": None}


def _log(*args):
    if args[1] == "bench.verifying":
        (args[2] / "vkey").write_text("v")


def test_what_speaks_of_a_million_is_judged_by_a_million_alone(monkeypatch):
    names = ("memory", "inbox page", "audit")
    not_judged = dict.fromkeys(names, "not judged")
    assert verdicts(monkeypatch, QUICK) == not_judged
    assert verdicts(monkeypatch, FULL) == dict.fromkeys(names, "met") | {"memory": "not judged"}
    million = replace(FULL, messages=AIMED)
    assert verdicts(monkeypatch, million) == dict.fromkeys(names, "met")
    assert verdicts(monkeypatch, million, grown=12.0)["memory"] == "missed"


def test_intakes_pure_path_takes_every_step_that_needs_neither_store_nor_broker(monkeypatch):
    checked = []
    validate = schemas.validate
    monkeypatch.setattr(schemas, "validate", lambda *a: checked.append(a) or validate(*a))
    made = floor.intake()()
    assert len(checked) == 1
    assert (made.context.sender, made.context.to) == (floor.POLICE, floor.OFFICE)
    assert next(name for name, _ in made.row.headers) == "statement"
    assert made.row.ref == made.digest


def test_a_run_of_other_numbers_than_its_kind_has_says_so():
    assert orders.read({}).kind == "full"
    assert orders.read({"QUICK": "1", "ROWS": "5000"}).kind == "quick ROWS=5000"
    assert orders.read({"MESSAGES": "4000", "ENTRIES": "1000000"}).kind == "full MESSAGES=4000"
