"""Intake: 201 means durable, a repeat gets the same answer, a dry run keeps nothing."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.envelope import addressed_to, open_sealed
from meldeweg.gateway.api.shapes import Answer
from meldeweg.gateway.opening import parts
from meldeweg.gateway.states import SentState
from meldeweg.kernel import failpoints, logs, signing, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Digest, Kennzeichen, new_message_id
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.sending import KEY, LABELS, NOTHING, Sender, order
from unit.gateway.world import GREFRATH, KREIS, NOW, POLICE


async def test_an_accepted_message_is_in_the_outbox_sealed_and_signed(police, world):
    accepted = await police.intake.accept(order(), KEY)
    answer = Answer.read(accepted.answer, "x")
    (row,) = police.rows()
    statement = statements.parse(dict(row.headers)["statement"])
    context = statement.context
    signing.verify(statement.jws, world.offices[POLICE].signing.public)
    statements.check_value(statement, row.value)
    statements.check_headers(statement, row.headers)
    assert row.topic == topics.inbox(KREIS, POLICE)
    assert row.key.decode() == context.id == accepted.id == answer.id
    assert (context.sender, context.to, answer.recipient) == (POLICE, KREIS, KREIS)
    assert context.created == answer.created == NOW
    assert (context.urgency, context.ack_by) == (answer.urgency, answer.ack_by)
    assert context.delete_after.endswith("-01")
    assert answer.kennzeichen == Kennzeichen.of(accepted.id)
    assert answer.state is SentState.QUEUED
    assert (context.seq.n, context.record_sha256 is None) == (1, False)
    assert police.woken == 1


async def test_the_recipient_opens_the_content_and_the_record_that_was_committed_to(police, world):
    await police.intake.accept(order(thread="V-12", addressee="Bereitschaft"), KEY)
    (row,) = police.rows()
    statement = statements.parse(dict(row.headers)["statement"])
    content, record = parts(row.value)
    office = world.offices[KREIS]
    plaintext = json.loads(open_sealed(content, office.seal, statement.aad))
    why = open_sealed(record, office.oversight, statement.aad)
    assert plaintext["payload"] == examples.NOTIFICATION
    assert plaintext["attachments"] == []
    assert plaintext["record"].encode() == why
    assert Digest.of(why) == statement.context.record_sha256
    assert why == open_sealed(record, world.offices[POLICE].oversight, statement.aad)
    assert addressed_to(content, statement.aad) == (office.seal.kid,)
    body = RecordBody.read(why, "x")
    assert (body.thread, body.addressee) == ("V-12", "Bereitschaft")
    assert body.labels.model_dump() == LABELS
    assert body.places.place == GREFRATH


async def test_nothing_readable_of_the_message_is_in_the_store(police):
    content = dict(examples.NOTIFICATION)
    marker = "MARKER-Erika-Beispiel"
    content["facts"] = [{**content["facts"][0], "what": marker}]
    body = order(content=content, thread="MARKER-thread", acting_person="MARKER-person")
    await police.intake.accept(body, "MARKER-key-1")
    await police.store.stop()
    data = b"".join(
        path.read_bytes() for path in police.store.directory.iterdir() if path.is_file()
    )
    assert b"MARKER" not in data
    assert b"inbox.jugendamt-kreis-viersen.polizei-viersen" in data  # it is the right file


async def test_the_same_key_and_body_get_the_same_answer_and_one_message(police):
    first = await police.intake.accept(order(), KEY)
    again = await police.intake.accept(order(), KEY)
    assert (again.id, again.answer, again.again) == (first.id, first.answer, True)
    assert len(police.rows()) == 1


async def test_the_same_key_with_another_body_is_refused(police):
    await police.intake.accept(order(), KEY)
    with pytest.raises(Refused) as refused:
        await police.intake.accept(order(exercise=True), KEY)
    assert refused.value.code == "idempotency-key-reused"
    assert len(police.rows()) == 1


async def test_two_at_once_with_one_key_get_one_message(police):
    answers = await asyncio.gather(*(police.intake.accept(order(), KEY) for _ in range(20)))
    assert len({each.answer for each in answers}) == 1
    assert sum(not each.again for each in answers) == 1
    assert len(police.rows()) == 1


async def test_a_caller_who_goes_away_does_not_free_the_key_too_early(police):
    first = asyncio.create_task(police.intake.accept(order(), KEY))
    await asyncio.sleep(0)
    first.cancel()
    again = await police.intake.accept(order(), KEY)
    assert len(police.rows()) == 1
    assert again.id == police.rows()[0].key.decode()


async def test_failed_and_not_persisted_keeps_nothing_and_the_key_is_free(police):
    logs.configure(service="test", strict=True)  # a field that is refused would end the writer
    failpoints.arm("store.before_commit=error@1")
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "store-full"
    assert police.counts() == NOTHING
    accepted = await police.intake.accept(order(), KEY)
    assert not accepted.again


async def test_failed_but_persisted_gives_the_same_key_the_same_message(police):
    failpoints.arm("store.after_commit=error@1")
    with pytest.raises(Unavailable):
        await police.intake.accept(order(), KEY)
    again = await police.intake.accept(order(), KEY)
    assert again.again
    (row,) = police.rows()
    assert again.id == row.key.decode()


async def test_after_a_failed_commit_numbers_begin_anew_without_a_gap(police):
    await police.intake.accept(order(), "key-0000")
    failpoints.arm("store.before_commit=error@1")
    failed = await asyncio.gather(
        *(police.intake.accept(order(), f"key-1{n}") for n in range(3)), return_exceptions=True
    )
    failpoints.arm("")
    assert any(isinstance(each, Unavailable) for each in failed)
    for n in range(3):
        await police.intake.accept(order(), f"key-2{n}")
    numbers = {}
    for row in police.rows():
        seq = statements.parse(dict(row.headers)["statement"]).context.seq
        numbers.setdefault(seq.outbox, []).append(seq.n)
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())


async def test_many_at_once_stand_in_the_order_of_their_numbers_and_share_commits(police):
    failpoints.arm("store.before_commit=sleep:0.2")  # a disk that is slower than any machine
    before = police.store.writer.commits
    await asyncio.gather(*(police.intake.accept(order(), f"key-{n:04}") for n in range(60)))
    numbers = [
        statements.parse(dict(row.headers)["statement"]).context.seq.n for row in police.rows()
    ]
    assert numbers == list(range(1, 61))
    assert police.store.writer.commits - before < 15


async def test_a_dry_run_says_what_would_happen_and_keeps_nothing(police):
    preview = await police.intake.check(order())
    assert police.counts() == NOTHING
    accepted = Answer.read((await police.intake.accept(order(), KEY)).answer, "x")
    assert (preview.recipient, preview.clause, preview.legal_basis, preview.ack_by) == (
        accepted.recipient,
        accepted.clause,
        accepted.legal_basis,
        accepted.ack_by,
    )
    assert not preview.warnings


async def test_a_dry_run_fails_where_the_call_would_for_want_of_our_own_key(police, monkeypatch):
    def without(_):
        raise Unavailable("no-signing-key", "")

    monkeypatch.setattr(type(police.intake._desk), "signer", without)
    for attempt in (police.intake.check, lambda body: police.intake.accept(body, KEY)):
        with pytest.raises(Unavailable, match="no-signing-key"):
            await attempt(order())
    assert police.counts() == NOTHING


async def test_a_kennzeichen_that_is_taken_is_not_given_again(police, monkeypatch):
    first = await police.intake.accept(order(), "key-0001")
    ids = [first.id, first.id, fresh := new_message_id()]
    monkeypatch.setattr("meldeweg.gateway.intake.new_message_id", lambda: ids.pop(0))
    assert (await police.intake.accept(order(), "key-0002")).id == fresh


async def test_two_messages_of_one_commit_have_two_kennzeichen(police, monkeypatch):
    same, fresh = new_message_id(), new_message_id()
    ids = [same, same, fresh]
    monkeypatch.setattr("meldeweg.gateway.intake.new_message_id", lambda: ids.pop(0))
    both = [police.intake.accept(order(), key) for key in ("key-0001", "key-0002")]
    accepted = await asyncio.gather(*both)
    assert [each.id for each in accepted] == [same, fresh]


async def test_the_newest_signing_and_sealing_keys_are_used(store, world):
    from meldeweg.kernel.jwk import OpenKey

    newer = OpenKey.generate()
    register = world.register(world.certificate(KREIS, newer.public, KeyUse.SEAL, at=NOW))
    police = Sender(store, world, register=register)
    await police.intake.accept(order(), KEY)
    (row,) = police.rows()
    content, _ = parts(row.value)
    aad = statements.parse(dict(row.headers)["statement"]).aad
    assert addressed_to(content, aad) == (newer.kid,)
    assert row.open_until == datetime(2027, 6, 1, tzinfo=UTC)  # its `delete_after`


async def test_what_a_key_opens_no_more_ends_with_the_key(store, world):
    from meldeweg.kernel.jwk import OpenKey

    life = timedelta(days=10)
    newest = world.certificate(KREIS, OpenKey.generate().public, KeyUse.SEAL, NOW, life)
    police = Sender(store, world, register=world.register(newest))
    await police.intake.accept(order(), KEY)
    assert police.rows()[0].open_until == NOW + life + issue.LONGEST_STAY
