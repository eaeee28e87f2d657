"""From rows to signed checkpoints: what is signed is what is stored, and only ever extends."""

from hashlib import sha256

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from integration.audit.harness import (
    FORMER,
    KEY,
    ORIGIN,
    OTHER,
    TOPIC,
    Audit,
    next_signer,
    record,
    signer,
)
from meldeweg.audit.sealing import Sealer
from meldeweg.audit.served import Served
from meldeweg.audit.verify import verify
from meldeweg.kernel import failpoints, note
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.leaf import parse_leaf
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.merkle import leaf_hash, root_of, verify_consistency, verify_inclusion
from meldeweg.kernel.tiles import ENTRIES, Tile, decode_bundle, levels_of, tiles_of


def sql(uri, *args):
    with psycopg.connect(uri, options="-c search_path=audit") as connection:
        connection.execute(*args)


def opened(signed):
    verifier = note.Signer.of(signed.origin, KEY).verifier()
    return note.open_checkpoint(signed.note, signed.origin, [verifier])


def leaves(audit, size):
    return [each.leaf for each in audit.reading.entries(0, size, 2026)]


def test_the_first_checkpoint_signs_the_genesis(audit):
    signed = audit.seal()
    assert opened(signed).size == 1
    assert audit.sealer.prepare() is None


def test_a_checkpoint_is_the_root_over_all_leaves_at_every_size(audit):
    for count in (1, 3, 250, 2, 300):
        audit.fill(count)
        signed = audit.seal()
        head = opened(signed)
        assert head.root == root_of(map(leaf_hash, leaves(audit, head.size)))
    assert head.size == 557


def test_every_tile_of_every_signed_size_is_served(audit):
    hashes = []
    for count in (0, 254, 1, 1, 300):
        audit.fill(count)
        size = audit.seal().size
        hashes = [leaf_hash(leaf) for leaf in leaves(audit, size)]
        for level in levels_of(size):
            for tile in tiles_of(level, size):
                assert len(audit.reading.tile(tile)) == tile.width * 32
    for width in (1, 255, 256):  # sizes signed earlier
        assert audit.reading.tile(Tile(0, 0, width)) == b"".join(hashes[:width])
    bundle = audit.reading.tile(Tile(ENTRIES, 1, 10))
    assert decode_bundle(bundle, 10) == leaves(audit, 600)[256:266]


@pytest.mark.parametrize(
    "tile", [Tile(0, 0, 4), Tile(0, 1, 1), Tile(1, 0, 1), Tile(ENTRIES, 0, 4), Tile(0, 0)]
)
def test_nothing_beyond_the_signed_size_is_served(audit, tile):
    audit.fill(2)
    audit.seal()
    audit.fill(500)
    with pytest.raises(Refused, match="tile-absent"):
        audit.reading.tile(tile)
    with pytest.raises(Refused, match="entry-absent"):
        audit.reading.entry(3)


def test_inclusion_and_consistency_are_proven_from_what_is_served(audit):
    audit.fill(300)
    old = audit.seal()
    audit.fill(400)
    new = audit.seal()
    signed, proof = audit.reading.consistency(old.size, None, None)
    verify_consistency(old.size, new.size, proof, old.root, signed.root)
    for index in (0, 1, 299, 700):
        signed, proof = audit.reading.inclusion(index, None, None)
        hashed = leaf_hash(audit.reading.entry(index).leaf)
        verify_inclusion(index, signed.size, hashed, proof, new.root)
    signed, proof = audit.reading.inclusion(5, old.size, None)
    verify_inclusion(5, old.size, leaf_hash(audit.reading.entry(5).leaf), proof, old.root)


def test_manifests_name_each_range_in_the_order_of_the_log_and_form_a_chain(audit):
    audit.append(record(0), record(1), record(0, OTHER), record(2))
    audit.seal()
    audit.append(record(3))
    audit.seal()
    first, second = (parse_manifest(note.parse(data).text) for data in audit.manifests)
    assert [(r.topic, r.start, r.end) for r in first.ranges] == [
        (TOPIC, 0, 2), (OTHER, 0, 1), (TOPIC, 2, 3),
    ]  # fmt: skip
    assert (first.number, first.start, first.end, first.genesis.year) == (0, 0, 5, 2026)
    assert (second.number, second.start, second.end, second.genesis) == (1, 5, 6, None)
    assert second.previous == first.digest()
    hashes = [leaf_hash(leaf) for leaf in leaves(audit, 6)]
    assert first.ranges[0].digest == sha256(hashes[1] + hashes[2]).digest()


@pytest.mark.parametrize(
    ("column", "change"),
    [("canonical", "set_byte(canonical, 30, get_byte(canonical, 30) # 1)"),
     ("leaf", "set_byte(leaf, 50, get_byte(leaf, 50) # 1)"),
     ("leaf", "set_byte(leaf, 31, get_byte(leaf, 31) # 1)")],
)  # fmt: skip
def test_a_bit_that_flips_in_the_database_before_signing_is_never_signed(
    audit, uri, column, change
):
    audit.fill(10)
    sql(uri, f"UPDATE entry SET {column} = {change} WHERE index = 4")
    with pytest.raises(Fatal, match="stored-row-differs"):
        audit.sealer.prepare()
    with pytest.raises(Refused, match="checkpoint-absent"):
        audit.reading.signed()


def test_a_row_that_vanished_before_signing_is_never_signed(audit, uri):
    audit.fill(10)
    sql(uri, "DELETE FROM entry WHERE index = 4")
    with pytest.raises(Fatal, match="stored-row-missing"):
        audit.sealer.prepare()


def flip(uri, level, index, at):
    """One bit of a stored tile changes, by fault or by hand."""
    sql(
        uri,
        "UPDATE tile SET data = set_byte(data, %s, get_byte(data, %s) # 1) "
        "WHERE level = %s AND index = %s",
        (at, at, level, index),
    )


@pytest.mark.parametrize(("level", "index"), [(0, 2), (1, 0)])
def test_a_tree_that_does_not_extend_the_signed_one_is_never_signed(audit, uri, level, index):
    audit.fill(600)
    signed = audit.seal()
    flip(uri, level, index, 5)
    audit.fill(300)
    pending = audit.sealer.prepare()
    with pytest.raises(Fatal, match="stored-tile-differs"):
        audit.sealer.seal(pending, 1)
    assert audit.reading.signed() == signed
    with pytest.raises(Fatal, match="tiles-differ-from-checkpoint"):
        audit.sealer.load()


def test_a_flipped_tile_above_the_new_leaves_stops_the_next_checkpoint(audit, uri):
    audit.fill(256 * 3)
    audit.seal()
    flip(uri, 1, 0, 5)
    audit.fill(3)
    with pytest.raises(Fatal, match="tiles-differ-from-leaves"):
        audit.sealer.seal(audit.sealer.prepare(), 1)


def test_a_stored_checkpoint_that_this_log_did_not_sign_is_never_extended(audit, uri):
    audit.fill(3)
    signed = audit.seal()
    other = note.Signer.of(signed.origin, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    forged = note.sign(note.parse(signed.note).text, other)
    sql(uri, "UPDATE checkpoint SET note = %s", (forged,))
    with pytest.raises(Fatal, match="checkpoint-not-ours"):
        audit.sealer.load()


def test_another_key_goes_on_with_the_log_that_a_former_one_signed(audit):
    audit.fill(3)
    old = audit.seal()
    audit.sealer = Sealer(audit.ledger, next_signer, FORMER)
    audit.sealer.load()
    new = next_signer(old.origin).verifier()
    again = audit.reading.signed()
    assert (again.size, again.root) == (old.size, old.root)
    note.open_checkpoint(again.note, old.origin, [new])  # for who counts the former no more
    audit.fill(300)
    signed = audit.seal()
    keys = audit.sealer.verifiers(signed.origin)
    report = verify(Served(audit.reading, keys, signed), vkeys=[new.vkey()], earlier=[again.note])
    assert report.ok, report
    assert [found.code for found in report.notices] == ["key-not-known"]  # the former
    assert verify(
        Served(audit.reading, keys, signed),
        vkeys=[key.vkey() for key in keys],
        earlier=[old.note],
    ).ok


def test_a_key_that_is_not_named_as_a_former_one_stays_foreign(audit):
    audit.fill(3)
    audit.seal()
    another = note.Signer.of(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    audit.sealer = Sealer(audit.ledger, next_signer, [another.public])
    with pytest.raises(Fatal, match="checkpoint-not-ours"):
        audit.sealer.load()


def test_after_a_failure_anywhere_the_same_manifest_leads_to_the_same_checkpoint(uri):
    audit = Audit(uri)
    audit.fill(40)
    seen = set()
    try:
        for point in ("manifest_stored", "unsigned", "signed"):
            failpoints.arm(f"audit.seal.{point}=error@1")
            with pytest.raises(Unavailable, match="failpoint"):
                audit.seal()
            failpoints.arm("")
            audit.close()
            audit = Audit(uri)
            audit.fill(5)  # what arrived meanwhile comes after, not into it
            with audit.ledger.writing() as cursor:
                cursor.execute("SELECT note FROM manifest WHERE number = 0")
                seen.add(cursor.fetchone()[0])
    finally:
        failpoints.arm("")
    assert len(seen) == 1
    (manifest,) = (parse_manifest(note.parse(data).text) for data in seen)
    assert manifest.end == 41
    assert audit.reading.signed().size == 41
    assert audit.seal().size == 56
    audit.close()


def test_a_large_backlog_is_signed_in_bounded_steps(audit, monkeypatch):
    monkeypatch.setattr("meldeweg.audit.sealing.ENTRIES_MAX", 100)
    monkeypatch.setattr("meldeweg.audit.sealing.RANGES_MAX", 3)
    audit.fill(250)
    for offset in range(6):
        audit.append(record(250 + offset), record(offset, OTHER))
    assert audit.seal().size == 263
    sizes = [parse_manifest(note.parse(data).text) for data in audit.manifests]
    assert [m.end for m in sizes][:2] == [100, 200]
    assert all(m.end - m.start <= 100 and len(m.ranges) <= 3 for m in sizes)


def test_the_next_years_log_begins_with_a_commitment_to_the_last_checkpoint(audit):
    audit.fill(5)
    last = audit.seal()
    audit.sealer.turn_year(2027, f"{ORIGIN}/2027")
    audit.fill(2)
    signed = audit.seal()
    assert (signed.origin, signed.size) == (f"{ORIGIN}/2027", 3)
    first = parse_leaf(next(audit.reading.entries(0, 1, 2027)).leaf)
    assert first.statement == sha256(note.parse(last.note).text.encode()).digest()
    assert audit.reading.signed(2026) == last
    assert audit.reading.years() == [2026, 2027]
    with pytest.raises(Fatal, match="year-not-signed"):
        audit.sealer.turn_year(2027, f"{ORIGIN}/2027")


def test_a_year_is_not_closed_before_everything_in_it_is_signed(audit):
    audit.fill(5)
    with pytest.raises(Fatal, match="year-not-signed"):
        audit.sealer.turn_year(2027, f"{ORIGIN}/2027")


def test_the_signer_signs_under_the_name_of_the_log(audit):
    assert signer("a/2026").verifier().name == "a/2026"
    assert audit.seal().note.count(b"audit.example/kreis-musterstadt/2026") == 2
