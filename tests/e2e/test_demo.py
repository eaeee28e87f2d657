"""The demonstration on a running district; and whatever it shows, it fails where that is not so."""

import io
from contextlib import ExitStack
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from meldeweg.audit.report import Report
from meldeweg.audit.sources import open_source
from meldeweg.demo import attempts, run
from meldeweg.demo.story import CASTS, MARKS, Story
from meldeweg.demo.telling import StepFailedError, Teller
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused

CAST = CASTS["kreis-viersen"]


@pytest.fixture
def said():
    return io.StringIO()


@pytest.fixture
def tell(said):
    return Teller(Console(file=said, highlight=False, soft_wrap=True))


@pytest.fixture
def story(district, tell):
    with ExitStack() as closing:
        yield lambda cast: Story(district.described, cast, tell, closing)


@pytest.fixture
def exported(district, tell, story):
    """A message of the demonstration that was taken, and an export of the log that has it."""
    accepted = story(CAST).report()
    digest = district.police.sent(accepted.id).digest
    return attempts.log_proves(district.described, district.directory, digest, tell), digest


def test_every_step_holds_and_the_end_says_so(district, tell, said):
    run._play(district.stack, CAST, tell, passing=False)
    lines = said.getvalue()
    assert "Alle 13 Schritte hielten" in lines
    for evidence in ("Kennzeichen", "Prüfsumme", "vom Broker abgewiesen", "not-covered",
                     "checkpoint: gefunden", "haeusliche-gewalt", "ready after"):  # fmt: skip
        assert evidence in lines, evidence
    assert "ausgegeben in protokoll-" in lines  # no path of a directory that is removed


@pytest.mark.parametrize("change", [{"office": CAST.other}, {"municipality": "05166012"}])
def test_it_fails_where_another_office_would_get_the_report(story, change):
    with pytest.raises(StepFailedError, match="responsible"):
        story(replace(CAST, **change)).report()


def test_it_fails_where_the_broker_lets_another_office_read(district, tell):
    with pytest.raises(StepFailedError, match="let a stranger read"):
        attempts.foreign_inbox(district.described, replace(CAST, other=CAST.office), tell)


def test_it_fails_where_a_report_leaves_the_district(district, tell):
    inside = replace(CAST, outside=CAST.municipality)
    with pytest.raises(StepFailedError, match="left the district"):
        attempts.outside(district.police, inside, tell)


def test_it_fails_where_a_file_holds_a_word_of_the_report(district, tell, story):
    sent = story(CAST).report().id
    leak = district.directory / "leak"
    leak.write_bytes(f"a {MARKS[1]} b".encode("utf-16-le"))
    try:
        with pytest.raises(StepFailedError, match="leak"):
            attempts.nothing_readable(district.described, district.directory, sent, tell)
    finally:
        leak.unlink()


def test_it_fails_where_it_does_not_look_at_what_the_broker_keeps(district, tell, tmp_path, story):
    sent, described = story(CAST).report().id, district.described
    moved = described.broker.model_copy(update={"data": tmp_path, "nodes": ()})
    elsewhere = described.model_copy(update={"broker": moved})
    with pytest.raises(StepFailedError, match="identifier"):
        attempts.nothing_readable(elsewhere, district.directory, sent, tell)


def test_it_fails_where_the_log_lacks_the_message(district, tell, monkeypatch):
    monkeypatch.setattr(attempts, "_LOGGED", 0.0)
    with pytest.raises(StepFailedError, match="not in the log"):
        attempts.log_proves(district.described, district.directory, "0" * 64, tell)


def test_it_fails_where_somebody_else_signed_the_log(district, tell, monkeypatch, story):
    """Whole in itself, with the key beside it: only the anchor says that it is not the log's."""
    digest = district.police.sent(story(CAST).report().id).digest
    export = attempts._export_with

    def forged(*args):
        head, out = export(*args), args[-1]
        signer = note.Signer.of(head.origin, Ed25519PrivateKey.generate())
        for name in ("checkpoint", "manifest"):
            text = note.parse((out / name).read_bytes()).text
            (out / name).write_bytes(note.sign(text, signer))
        (out / "vkey").write_text(signer.verifier().vkey() + "\n")
        with open_source(str(out)) as source:
            assert attempts.offline.verify(source).ok
        return head

    monkeypatch.setattr(attempts, "_export_with", forged)
    with pytest.raises(StepFailedError, match="note-unsigned"):
        attempts.log_proves(district.described, district.directory, digest, tell)


def test_it_fails_where_the_anchor_names_no_key_of_the_log(district, tell, monkeypatch, story):
    digest = district.police.sent(story(CAST).report().id).digest
    known = attempts.register_file.of_stack(district.directory)
    monkeypatch.setattr(known, "service_keys", lambda _: ())
    monkeypatch.setattr(attempts.register_file, "of_stack", lambda _: known)
    with pytest.raises(StepFailedError, match="names no key"):
        attempts.log_proves(district.described, district.directory, digest, tell)


def test_it_fails_where_the_sender_did_not_sign(district, tell, monkeypatch, story):
    digest = district.police.sent(story(CAST).report().id).digest
    entry_of = attempts._entry_of

    def forged(*args):
        index, told = entry_of(*args)
        return index, replace(told, jws=replace(told.jws, signature=bytes(64)))

    monkeypatch.setattr(attempts, "_entry_of", forged)
    with pytest.raises(Refused, match="signature-invalid"):
        attempts.log_proves(district.described, district.directory, digest, tell)


def test_it_fails_where_a_changed_byte_is_not_found(exported, tell, monkeypatch):
    out, _ = exported
    empty = Report(size=1, entries=1, root="00")
    monkeypatch.setattr(attempts.offline, "verify", lambda *_, **__: empty)
    with pytest.raises(StepFailedError, match="was not found"):
        attempts.one_byte(out, tell)


def test_another_offices_officer_opens_nothing(district, exported, tell):
    out, digest = exported
    key = next(district.places.oversight(CAST.other).glob("*.jwk"))
    with pytest.raises(Refused, match="not-for-this-key"):
        attempts.officer_opens(district.described, district.directory, out, digest, key, tell)


def test_the_whole_backbone_is_ready_in_a_minute_and_fits_on_a_small_machine(district):
    timings = district.stack.timings
    timings.measure_memory(district.stack.pids)
    assert timings.total < 60
    assert sum(timings.memory.values()) < 2.5 * 1024**3
