"""Step 7: for whom a content may be sealed, and which of several keys of ours opens it."""

from datetime import timedelta

import pytest

from meldeweg.gateway.judging import Judge, Message, Rejected
from meldeweg.kernel import topics
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.judgement import code, outcome, resealed
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, SETUP

OTHER = OpenKey.generate()
LONG_AGO, SOON = NOW - timedelta(days=2000), NOW + timedelta(days=9)
ORDERS = pytest.mark.parametrize("turn", [1, -1], ids=["in order", "turned"])


def certified(world, at=SETUP, use=KeyUse.SEAL):
    return world.certificate(KREIS, OTHER.public, use, at=at)


def bent(value):
    """The content's ciphertext with one character changed."""
    at = value.index(b'"ciphertext":"') + 20
    return value[:at] + (b"A" if value[at : at + 1] != b"A" else b"B") + value[at + 1 :]


def judged(world, record, *more, keys):
    judge = Judge(
        KREIS, world.register(*more), {key.kid: key for key in keys}, lambda *_: None, NOW
    )
    found = judge.open(judge.prove(record))
    assert isinstance(found, Message | Rejected)
    return None if isinstance(found, Message) else (found.code, found.early)


@ORDERS
def test_nobody_else_may_read_the_content(world, turn):
    """Early: its certificate may be on its way, whoever else has certified that key."""
    mine, other = world.offices[KREIS], world.offices[NETTETAL]
    for more in (OTHER, other.seal, other.oversight, world.offices[POLICE].seal, mine.oversight):
        record = world.message(seal_to=(mine.seal.public, more.public)[::turn])
        assert code(world, record) == ("readers-contradict", True)


@ORDERS
@pytest.mark.parametrize("at", [SETUP, LONG_AGO, SOON])
def test_who_had_one_of_our_keys_certified_may(world, turn, at):
    """Whichever time the certificate gives, and revoked or not: it is ours."""
    mine = world.offices[KREIS]
    record = world.message(seal_to=(mine.seal.public, OTHER.public)[::turn])
    lost = issue.revoke_key(mine.identity, KREIS, OTHER.kid, "verloren", NOW)
    assert code(world, record) == ("readers-contradict", True)
    for more in ((), ((topics.keys(KREIS), lost),)):
        register = world.register(certified(world, at), *more)
        assert isinstance(outcome(world, record, register=register), Message)


@ORDERS
def test_one_key_that_counts_now_is_enough(world, turn):
    mine = world.offices[KREIS].seal
    keys = (mine, OTHER)[::turn]
    for order in (1, -1):
        record = world.message(seal_to=tuple(key.public for key in (mine, OTHER)[::order]))
        for at in (LONG_AGO, SOON):
            assert judged(world, record, certified(world, at), keys=keys) is None
        assert judged(world, record, keys=keys) == ("readers-contradict", True)


@ORDERS
def test_where_no_key_counts_one_that_may_yet_decides(world, turn):
    """Else the first of them in the envelope's order."""
    third = OpenKey.generate()
    ended = world.certificate(KREIS, third.public, KeyUse.SEAL, at=LONG_AGO)
    both = (OTHER, third)[::turn]
    record = world.message(seal_to=tuple(key.public for key in both))
    for keys in (both, both[::-1]):
        waits = ("key-not-yet-valid", True)
        assert judged(world, record, ended, keys=keys) == waits
        assert judged(world, record, ended, certified(world, SOON), keys=keys) == waits
        wrong = certified(world, use=KeyUse.OVERSIGHT)
        first = "key-use-wrong" if both[0] is OTHER else "key-expired"
        assert judged(world, record, ended, wrong, keys=keys) == (first, False)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (LONG_AGO, ("key-expired", False)),
        (SOON, ("key-not-yet-valid", True)),
        (None, ("key-not-yet-valid", True)),
        (SETUP, ("envelope-unreadable", False)),
    ],
)
def test_whether_the_key_counts_is_judged_before_it_opens(world, at, said):
    record = resealed(world, world.message(seal_to=(OTHER.public,)), bent)
    more = (certified(world, at),) if at else ()
    assert judged(world, record, *more, keys=(OTHER,)) == said


def test_nothing_opens_that_somebody_else_reads_too(world):
    mine = world.offices[KREIS].seal
    record = resealed(world, world.message(seal_to=(mine.public, OTHER.public)), bent)
    assert code(world, record) == ("readers-contradict", True)
