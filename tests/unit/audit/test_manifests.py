"""Manifests: the verifier finds another order, digest, beginning or end, or a foreign signature."""

from dataclasses import replace

from meldeweg.audit.lines import write_text
from meldeweg.kernel import note
from unit.audit.offline import check, codes, rewritten, sample
from unit.audit.synthetic import ORIGIN, SIGNER, Log


def test_a_manifest_that_names_another_order_is_found(out):
    log = sample()
    log.where[5], log.where[6] = log.where[6], log.where[5]
    last = None
    with (out / "manifests.jsonl").open("wb") as file:
        for last in log.manifests(97):
            file.write(write_text(last.text()) + b"\n")
    (out / "manifest").write_bytes(note.sign(last.text(), SIGNER))
    assert codes(check(out)) == [("order-differs", "entry 5")]


def test_a_manifest_whose_digest_is_not_that_of_its_entries_is_found_though_it_is_signed(out):
    previous, last = bytes(32), None
    with (out / "manifests.jsonl").open("wb") as file:
        for made in sample().manifests(97):
            ranges = list(made.ranges)
            if made.number == 2:
                ranges[0] = replace(ranges[0], digest=bytes(32))
            last = replace(made, ranges=tuple(ranges), previous=previous)
            previous = last.digest()
            file.write(write_text(last.text()) + b"\n")
    (out / "manifest").write_bytes(note.sign(last.text(), SIGNER))
    ((code, where),) = codes(check(out))
    assert (code, where) == ("digest-differs", "entry 290")


def test_a_manifest_that_is_left_out_is_found(out):
    rewritten(out, "manifests.jsonl", lambda lines: [*lines[:3], *lines[4:]])
    assert codes(check(out)) == [("manifest-out-of-order", "manifest 3")]


def test_manifests_that_end_early_or_late_are_found(out):
    rewritten(out, "manifests.jsonl", lambda lines: lines[:-1])
    assert codes(check(out)) == [("manifest-missing", "entry 679")]
    sample().write(out, every=97)
    longer = sample()
    longer.messages(60)
    last = None
    with (out / "manifests.jsonl").open("wb") as file:
        for last in longer.manifests(97):
            file.write(write_text(last.text()) + b"\n")
    assert codes(check(out)) == [("manifest-too-long", "manifests.jsonl")]


def test_a_manifest_that_another_key_signed_is_found(out):
    data = (out / "manifest").read_bytes()
    other = note.Signer(ORIGIN, SIGNER.public, lambda text: bytes(64))
    signed = note.parse(data).text + "\n"
    line = note.sign(note.parse(data).text, other).decode().removeprefix(signed)
    (out / "manifest").write_text(signed + line)
    assert codes(check(out)) == [("note-signature-invalid", "manifest")]


def test_a_manifest_that_begins_another_year_than_the_log_is_found(tmp_path):
    log = Log()
    log.messages(2)
    log.previous = b"p" * 32
    assert codes(check(log.write(tmp_path))) == [("genesis-differs", "manifest 0")]
