"""Verifies an exported log, trusting nobody who made or carried it.

Guarantees: `ok` means that every byte of the export is what the signed checkpoint commits to, that
no record of a topic is left out, and that no number is missing before one that is there. It always
ends: nothing is read beyond what the checkpoint's size allows. Trusts: the log's public key, if it
is given; one that is taken from the export itself proves consistency alone, and the report says so.

    1 the checkpoint is signed by the log's key
    2 each leaf is in its level-0 tile, each full tile in the tile above, all tiles in the root
    3 each line of leaves.jsonl is exactly what its leaf commits to, and names its topic; an entry
      whose bytes are not shown is told as missing
    4 offsets are dense from 0 for each topic; the genesis is where it must be, once
    5 the manifests are signed, chained, and name these leaves in this order
    6 senders' numbers have no holes, and reach what recipients say that they received; what a
      sender claims beyond that is told
    7 the log extends each checkpoint that was seen before (`seen`)
    9 leaf 0 commits to the last checkpoint of the year before, and offsets, names and numbers go
      on from there, where that log is given (`turn`)
"""

from collections.abc import Sequence

from meldeweg.audit.layout import belongs
from meldeweg.audit.report import Report
from meldeweg.audit.seen import check_seen
from meldeweg.audit.sources import Source
from meldeweg.audit.turn import Ended
from meldeweg.audit.walk import Walk
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused

_STRANGERS_MAX = 100  # files named that are no part of the log; the others are counted
_VKEYS_MAX = 64 * 1024


def verify(
    source: Source,
    *,
    vkeys: Sequence[str] = (),
    earlier: Sequence[bytes] = (),
    before: Source | None = None,
    year: int | None = None,
    shown: bool = True,
) -> Report:
    """Verify a whole log. `vkeys`: the log's keys as known from elsewhere; `earlier`: checkpoints
    that were seen before, which this log must extend; `before`: the log of the year before, which
    it must go on from; `year`: the one that was asked for; `shown`: leaves.jsonl and manifests too.

    Raises `Unavailable` when the source can't be reached; whatever is wrong is in the report.
    """
    report, old = Report(), None
    if before is not None:
        report.before = Report()
        old = _judge(before, _of_that_log(before, vkeys), report.before, shown=shown)
    ended = old.ended() if old else None
    new = _judge(source, vkeys, report, shown=shown, before=ended, year=year)
    if old and not (new and new.goes_on):
        old.tell_numbers()  # else they are told of both logs together
    if new:
        if before is not None and not new.goes_on and report.ok:  # whatever else is right
            report.breaks("genesis-commits-to-another", "entry 0", "the log before has no end")
        new.tell_numbers()
        logs = [walk.known() for walk in (new, old) if walk]
        for data in earlier:
            check_seen(data, logs, report)
    return report


def _judge(
    source: Source,
    vkeys: Sequence[str],
    report: Report,
    *,
    shown: bool,
    before: Ended | None = None,
    year: int | None = None,
) -> Walk | None:
    """Steps 1 to 5, 8 and 9 of one log; None when its head is not one to believe."""
    try:
        verifiers = _verifiers(source, vkeys, report)
        head = _head(source, verifiers)
    except Refused as exc:
        report.breaks(exc.code, "checkpoint", exc.detail)
        return None
    report.origin, report.size, report.root = head.origin, head.size, head.root.hex()
    report.signed_by = [verifier.vkey() for verifier in verifiers]
    _tell_strangers(source, head, report)
    walk = Walk(source, head, verifiers, report, before=before, year=year, shown=shown)
    walk.run()
    if walk.order:
        walk.order.finish(verifiers)
    return walk


def _of_that_log(source: Source, vkeys: Sequence[str]) -> list[str]:
    """Return those of the keys given that sign under the name of this log.

    With none of them its own keys do: the log that goes on from it commits to its checkpoint.
    """
    try:
        text = note.parse(source.read("checkpoint", note.NOTE_MAX)).text
        origin = note.parse_checkpoint(text).origin
    except Refused:
        return []  # it is named where the log is judged
    return [line for line in vkeys if line.partition("+")[0] == origin]


def _tell_strangers(source: Source, head: note.Checkpoint, report: Report) -> None:
    """Before all others: a report takes so many notices, and must not drop these."""
    strangers = sorted(name for name in source.names() if not belongs(name, head.size))
    for name in strangers[:_STRANGERS_MAX]:
        report.notes("file-unknown", name, "no part of the log, and not looked at")
    if (more := len(strangers) - _STRANGERS_MAX) > 0:
        report.notes("file-unknown", "", f"{more} more that are no part of the log")


def _verifiers(source: Source, vkeys: Sequence[str], report: Report) -> list[note.Verifier]:
    """Return the keys to believe; those of the export must be well formed in any case."""
    data = source.read("vkey", _VKEYS_MAX)
    try:
        found = [note.parse_vkey(line) for line in data.decode().removesuffix("\n").split("\n")]
    except UnicodeDecodeError as exc:
        raise Refused("vkey-malformed", "not UTF-8") from exc
    if "".join(f"{each.vkey()}\n" for each in dict.fromkeys(found)).encode() != data:
        raise Refused("vkey-malformed", "not one key per line, each once")
    if not vkeys:
        report.notes("key-from-export", "vkey", "compare it with the one the trust anchor names")
        return found
    given = [note.parse_vkey(line) for line in vkeys]
    for verifier in found:
        if verifier not in given:
            report.notes("key-not-known", "vkey", verifier.vkey())
    return given


def _head(source: Source, verifiers: Sequence[note.Verifier]) -> note.Checkpoint:
    """Step 1."""
    parsed = note.parse(source.read("checkpoint", note.NOTE_MAX))
    signers = note.verify(parsed, verifiers)
    head = note.parse_checkpoint(parsed.text)
    if all(signer.name != head.origin for signer in signers):
        raise Refused("checkpoint-malformed", "signed under another name than its origin")
    return head
