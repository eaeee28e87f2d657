"""No word of any content stands in any file of the stack, after all that the other tests did."""

import base64
from urllib.parse import quote

from e2e.invented import KREIS, MARK, MARKS, WORKER
from meldeweg.demo.marks import found_in


def test_the_search_finds_a_mark_in_each_encoding_wherever_it_lies(tmp_path):
    """The control: a search that finds nothing anywhere would prove nothing."""
    raw = MARK.encode()
    written = {
        "utf-8": b"\x00" + raw + b"\x00",
        "utf-16": MARK.encode("utf-16"),
        "hex": raw.hex().encode(),
        "percent": quote(MARK).encode(),
        **{f"base64-{n}": base64.b64encode(b"x" * n + raw + b"yz") for n in range(3)},
        **{f"base64url-{n}": base64.urlsafe_b64encode(b"\xff" * n + raw) for n in range(3)},
    }
    for name, data in written.items():
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / name).write_bytes(b"\n" * 100_000 + data)
    found = {path.name for path, _ in found_in(tmp_path, [MARK])}
    assert found == set(written)


def test_no_mark_of_any_content_reason_or_person_is_in_any_file_of_the_stack(district):
    accepted = district.report(acting_person=WORKER)
    district.arrived(KREIS, accepted.id)
    assert MARK in str(district.kreis.open(accepted.id, acting_person=WORKER).content)
    control = district.described.agencies[KREIS].store / "control"
    control.write_text(f"…{MARK}…")
    try:
        assert [path for path, _ in found_in(district.directory, [MARK])] == [control]
    finally:
        control.unlink()
    assert list(found_in(district.directory, MARKS)) == []
    names = {path.name for path in district.directory.rglob("*") if path.is_file()}
    # What was looked through: segments of the broker, the database, stores, logs of all.
    assert {"PG_VERSION", "broker-1.jsonl", "audit.jsonl", "00000000000000000000.log"} <= names
    assert any(name.endswith(("-wal", ".db", ".sqlite")) for name in names)
