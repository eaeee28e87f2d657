"""Forged where it shows without opening: steps 1 to 6, from the statement to the term."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from meldeweg.kernel import statement as statements
from meldeweg.kernel import strictjson, topics
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from unit.gateway.forging import PARTNER, Case, End, forgery, message, of_a_partner
from unit.gateway.test_verification import raw_token, with_header, with_token
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, SETUP, STRANGER, World


def _headed(world: World, **changes: Any) -> Case:
    good = message(world)
    told = statements.parse(good.header("statement"))
    token = raw_token(world, dict(told.jws.header) | changes, told.context_bytes)
    return Case(with_token(good, token))


# -- 1 parse strictly ------------------------------------------------------------------------


@forgery("no `statement` at all", "header-malformed", End.QUARANTINED)
def _statement_absent(world):
    good = message(world)
    return Case(replace(good, headers=good.headers[1:]))


@forgery("two statements, both good", "header-malformed", End.QUARANTINED)
def _statement_twice(world):
    good = message(world)
    return Case(replace(good, headers=(good.headers[0], *message(world).headers)))


@forgery("a statement of 17 KiB", "jws-too-large", End.QUARANTINED)
def _statement_oversize(world):
    return Case(with_token(message(world), b"a" * 17_000))


@forgery("bytes that are no token", "jws-malformed", End.QUARANTINED)
def _statement_garbage(world):
    return Case(with_token(message(world), b"\xff\xfe\x00"))


@forgery("`alg` none, without a signature", "jws-alg-refused", End.QUARANTINED)
def _alg_none(world):
    good = message(world)
    told = statements.parse(good.header("statement"))
    head = strictjson.dumps(dict(told.jws.header) | {"alg": "none"})
    parts = (strictjson.b64u_encode(each) for each in (head, told.context_bytes, b""))
    return Case(with_token(good, ".".join(parts).encode()))


@forgery("`alg` another (HS256), with a good Ed25519 signature", "jws-alg-refused", End.QUARANTINED)
def _alg_another(world):
    return _headed(world, alg="HS256")


@forgery("a good signature over another kind of object", "jws-typ-wrong", End.QUARANTINED)
def _typ_of_another_object(world):
    return _headed(world, typ=Typ.EVENT.value)


@forgery("a key of the forger's own in the header (`jwk`)", "jws-malformed", End.QUARANTINED)
def _key_brought_along(world):
    return _headed(world, jwk="x")


@forgery("made at the end of the calendar", "context-malformed", End.QUARANTINED)
def _end_of_the_calendar(world):
    return Case(_dated(world, b'"created":"2026-11-22', b'"created":"9999-12-31'))


@forgery("to be deleted at the end of the calendar", "context-malformed", End.QUARANTINED)
def _term_beyond_all_instants(world):
    return Case(_dated(world, b'"delete_after":"2027', b'"delete_after":"2200'))


def _dated(world, old, new):
    good = message(world)
    told = statements.parse(good.header("statement"))
    assert old in told.context_bytes
    text = told.context_bytes.replace(old, new)
    return with_token(good, statements.sign(text, good.value, world.offices[POLICE].signing))


# -- 2 signature -----------------------------------------------------------------------------


@forgery("signed as the police by a stranger, under his own key id", "signer-unknown", End.PARKED)
def _strangers_key(world):
    return Case(message(world, key=STRANGER))


@forgery("signed by a stranger under the police's key id", "signature-invalid", End.QUARANTINED)
def _strangers_signature(world):
    good = message(world)
    told = statements.parse(good.header("statement"))
    token = raw_token(world, dict(told.jws.header), told.context_bytes, STRANGER)
    return Case(with_token(good, token))


@forgery("signed as the police by another agency", "signer-unknown", End.PARKED)
def _another_agencys_key(world):
    return Case(message(world, key=world.offices[NETTETAL].signing))


@forgery("signed with a key that was certified for sealing", "key-use-wrong", End.QUARANTINED)
def _key_for_sealing(world):
    return _headed(world, kid=world.offices[POLICE].seal.kid)


@forgery("signed with a key that has expired", "key-expired", End.QUARANTINED)
def _key_expired(world):
    old = NOW - issue.KEY_LIFE - issue.LONGEST_STAY - timedelta(days=3)
    more = world.certificate(POLICE, STRANGER.public, KeyUse.SIGN, at=old)
    return Case(message(world, key=STRANGER), more=(more,))


@forgery("signed with a key that is not valid yet", "key-not-yet-valid", End.PARKED)
def _key_not_yet_valid(world):
    later = world.certificate(POLICE, STRANGER.public, KeyUse.SIGN, at=NOW + timedelta(days=9))
    return Case(message(world, key=STRANGER), more=(later,))


@forgery("signed with a revoked key, before or after", "key-revoked", End.QUARANTINED)
def _key_revoked(world):
    identity = world.offices[POLICE].identity
    revoked = issue.revoke_key(identity, POLICE, STRANGER.kid, "verloren", NOW)
    more = (world.certificate(POLICE, STRANGER.public, KeyUse.SIGN), (topics.keys(POLICE), revoked))
    return Case(message(world, key=STRANGER), more=more)


@forgery(
    "signed with a key that the agency certified with a stranger's identity",
    "signer-unknown",
    End.PARKED,
)
def _certificate_of_a_stranger(world):
    token = issue.certify(SigningKey.generate(), POLICE, STRANGER.public, KeyUse.SIGN, SETUP)
    return Case(message(world, key=STRANGER), more=((topics.keys(POLICE), token),))


# -- 3 place, 4 value ------------------------------------------------------------------------


@forgery("another sender's record in this sender's topic", "topic-contradicts", End.QUARANTINED)
def _another_senders_topic(world):
    return Case(replace(message(world), topic=topics.inbox(KREIS, NETTETAL)))


@forgery("a message for another agency in my topic", "not-addressed-to-me", End.QUARANTINED)
def _for_another_agency(world):
    return Case(replace(message(world, recipient=NETTETAL), topic=topics.inbox(KREIS, POLICE)))


@forgery("another id as the record's key", "record-key-contradicts", End.QUARANTINED)
def _another_key(world):
    return Case(replace(message(world), key=new_message_id().encode()))


@forgery(
    "a CloudEvents attribute that says other than the statement",
    "header-contradicts",
    End.QUARANTINED,
)
def _cloudevents_differ(world):
    return Case(with_header(message(world), "ce_source", b"urn:meldeweg:agency:jugendamt-kempen"))


@forgery("a header more, its name not UTF-8", "header-contradicts", End.QUARANTINED)
def _header_more(world):
    good = message(world)
    return Case(replace(good, headers=(*good.headers, ("\udcff", b"x"))))


@forgery(
    "the statement of one message with the value of another", "value-mismatch", End.QUARANTINED
)
def _value_of_another(world):
    return Case(replace(message(world), value=message(world).value))


@forgery("no value (a tombstone)", "value-mismatch", End.QUARANTINED)
def _value_null(world):
    return Case(replace(message(world), value=None))


# -- standing, 5 term, 6 unique --------------------------------------------------------------


def _ended(world, status):
    told = issue.change_status(world.anchor, POLICE, status, 1, "Probe", NOW)
    more = ((topics.REGISTRY_AGENCIES, told),)
    return Case(message(world), more=more, good=of_a_partner(world))


@forgery("from a suspended agency", "sender-suspended", End.PARKED_FOR_GOOD, beside=PARTNER)
def _sender_suspended(world):
    return _ended(world, AgencyStatus.SUSPENDED)


@forgery("from a revoked agency", "sender-revoked", End.QUARANTINED, beside=PARTNER)
def _sender_revoked(world):
    return _ended(world, AgencyStatus.REVOKED)


@forgery("past the day on which it had to be deleted", "past-delete-after", End.REFUSED)
def _past_its_term(world):
    return Case(message(world, context_changes={"delete_after": "2026-11-01"}))


@forgery("the same id with another content", "duplicate-differs", End.QUARANTINED)
def _same_id_other_content(world):
    one = new_message_id()
    return Case(message(world, id=one), before=(message(world, id=one),))


@forgery("replayed after a day, byte for byte", "-", End.AGAIN)
def _replayed_after_a_day(world):
    good = message(world)
    return Case(good, before=(good,), later=timedelta(days=1))
