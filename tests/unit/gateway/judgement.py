"""A judge over a world's register, and what it finds of a record."""

from meldeweg.gateway.judging import Judge
from meldeweg.gateway.verification import Proof, Proven, Rejected
from meldeweg.kernel import statement as statements
from unit.gateway.world import KREIS, NOW, POLICE


def judge(world, me=KREIS, register=None, originals=None, now=NOW):
    key = world.offices[me].seal
    known = originals or {}
    return Judge(
        me,
        register or world.register(),
        {key.kid: key},
        lambda sender, kind, message: known.get((sender, message)),
        now,
    )


def outcome(world, record, me=KREIS, **given):
    judged = judge(world, me, **given)
    proven = judged.prove(record)
    assert isinstance(proven, Proven), proven
    return judged.open(proven)


def code(world, record, **given):
    found = outcome(world, record, **given)
    assert isinstance(found, Rejected), found
    assert found.proof is Proof.AUTHENTIC
    return found.code, found.early


def resealed(world, record, change):
    """Bend the value and sign it all again, as a sender might."""
    told = statements.parse(record.header("statement"))
    value = change(record.value)
    return world.signed(
        told.context_bytes, value, world.offices[POLICE].signing, told.context, record.offset
    )


def plaintext(world, **changes):
    """Return a draft whose content has other members than it should."""
    draft = world.draft()
    draft.inside = changes
    return draft
