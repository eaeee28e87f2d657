"""The campaign: a workload, one fault after another and then mixes of them, and verdicts.

Guarantees: each fault that this machine can carry is injected at least once, and so is one mix,
unless the time was given and is over (one round there is in any case), or single faults were asked
for; what was left out is said; a round with a finding, or one whose fault had no
effect, fails the campaign and keeps its whole stack; the next round has a fresh one; no stack is
ended before a deadline has passed on it, and was judged. What heals
within seconds shares its round and verdict with others of its kind: a finding names the row, and
`only` narrows it down. Everything random comes from the seed, but for what processes and networks
do by themselves.
"""

import random
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from e2e.invented import MARKS
from faults import deadlines, exercised
from faults.beats import HEALED
from faults.evidence import Finding, Kind, Phase
from faults.fault import Fault, Ground, Told
from faults.field import Ended
from faults.grounds import STACK, Site, missing, site
from faults.verdict import verdict
from meldeweg.demo.marks import found_in
from meldeweg.kernel.clock import SystemClock

_BEFORE, _AFTER = 2.0, 2.0  # seconds of undisturbed work around each fault, or row of them
_ROW = 7  # faults that share a round at most: a finding shall be worth narrowing down
_PATIENCE = 120.0  # seconds after the heal in which everything must have come to its end
_WORN = 2_000  # accepted messages; reading everything again for a verdict gets long after that
_FINISH = 60.0  # seconds kept for bringing the campaign to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How much, and from which seed."""

    directory: Path
    seed: int
    seconds: float  # no new round after it
    whole: bool = False  # every fault and a mix, however long it takes; then as above
    only: frozenset[str] = frozenset()
    patience: float = _PATIENCE


@dataclass(slots=True, kw_only=True)
class Round:
    """One injection, or several in one, and what came of it."""

    faults: tuple[str, ...]  # that were injected, or tried
    mixed: bool = False
    told: list[Told] = field(default_factory=list)  # one for each that had its effect
    messages: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    broken: str | None = None  # the round itself failed: why
    kept: Path | None = None

    @property
    def ok(self) -> bool:
        return not self.findings and self.broken is None


@dataclass(slots=True)
class Result:
    """Everything that the table is made of."""

    orders: Orders
    rounds: list[Round] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # fault → why
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return bool(self.rounds) and all(each.ok for each in self.rounds)


class Campaign:
    """Runs once. `say` is told each step."""

    def __init__(
        self,
        orders: Orders,
        faults: Sequence[Fault],
        grounds: Mapping[str, type[Ground]],
        say: Callable[[str], None],
        ending: threading.Event | None = None,
    ) -> None:
        self._orders, self._grounds, self._say = orders, grounds, say
        self._faults = [f for f in faults if not orders.only or f.name in orders.only]
        self._ending = ending or threading.Event()
        self._rng = random.Random(orders.seed)
        self._result = Result(orders)
        self._stacks = 0
        self._until = 0.0

    def run(self) -> Result:
        """Every fault by itself, then mixes until the time is over."""
        begun = time.monotonic()
        self._until = begun + self._orders.seconds
        able = []
        for fault in self._faults:
            why = missing(fault.needs)
            if why:
                self._skip(fault, why)
            else:
                able.append(fault)
        self._rng.shuffle(able)  # where the time is short, another seed tries others
        for needs in dict.fromkeys(fault.needs & STACK for fault in able):
            alike = [fault for fault in able if fault.needs & STACK == needs]
            self._on_stacks(needs, iter(_rows(alike)), whole=self._orders.whole)
        calm = [fault for fault in able if not fault.needs & STACK]
        if any(fault.turn != "last" for fault in calm) and not self._orders.only:
            least = 1 if self._orders.whole else 0
            self._on_stacks(frozenset(), self._mixes(calm), mixed=True, least=least)
        tried = {name for each in self._result.rounds for name in each.faults}
        for fault in able:
            if fault.name not in tried:
                self._skip(fault, "the time was over")
        self._result.seconds = time.monotonic() - begun
        return self._result

    def _skip(self, fault: Fault, why: str) -> None:
        self._result.skipped[fault.name] = why
        self._say(f"skipped {fault.name}: {why}")

    def _mixes(self, faults: Sequence[Fault]) -> Iterator[tuple[Fault, ...]]:
        """Two or three faults in a row with nothing between them, for ever.

        What can't be undone may only be the last: nothing moves at who was revoked before.
        """
        healing = [fault for fault in faults if fault.turn != "last"]
        while True:
            first = [self._rng.choice(healing) for _ in range(self._rng.randint(1, 2))]
            yield (*first, self._rng.choice(faults))

    def _over(self, owed: bool) -> bool:
        """Say whether no round may begin; one that is `owed` may, however late it is."""
        late = not owed and time.monotonic() > self._until - _FINISH
        return late or self._ending.is_set()

    def _on_stacks(
        self,
        needs: frozenset[str],
        plan: Iterator[tuple[Fault, ...]],
        *,
        whole: bool = False,
        mixed: bool = False,
        least: int = 0,
    ) -> None:
        """Carry out the plan on one stack after another, each as long as it is sound.

        `whole`: all of it; else at least so many rounds, and the campaign's very first.
        """
        pending, begun = next(plan, None), 0

        def owed() -> bool:
            return whole or begun < least or not (begun or self._result.rounds)

        while pending and not self._over(owed()):
            self._stacks += 1
            directory = self._orders.directory / str(self._stacks)
            rounds: list[Round] = []
            try:
                with ExitStack() as open_:
                    here = open_.enter_context(
                        site(directory, needs, self._grounds, self._rng, self._ending)
                    )
                    self._say(f"stack {self._stacks} ready ({', '.join(sorted(needs)) or 'plain'})")
                    while pending and not self._over(owed()):
                        begun += 1
                        rounds.append(self._round(here, pending, mixed))
                        left = pending[len(rounds[-1].faults) :]  # behind one without effect
                        pending = (not mixed and left) or next(plan, None)
                        worn = _accepted(here) >= _WORN
                        if not rounds[-1].ok or here.revoked or here.restored or worn:
                            break  # what comes next deserves a sound one
                    self._wait_for_deadlines(here, rounds)
                    self._search(here, rounds)
            except Exception as exc:  # the stack itself: no round may pass for it
                self._say(traceback.format_exc())
                names = tuple(f.name for f in pending or ())
                rounds.append(Round(faults=names, broken=f"stack: {type(exc).__name__}: {exc}"))
                pending, begun = next(plan, None), begun + 1
            self._result.rounds.extend(rounds)
            if all(each.ok for each in rounds):
                shutil.rmtree(directory, ignore_errors=True)
            else:
                rounds[-1].kept = directory
                self._say(f"kept: {directory}")

    def _round(self, here: Site, faults: tuple[Fault, ...], mixed: bool) -> Round:
        names = tuple(fault.name for fault in faults)
        this = Round(faults=names, mixed=mixed)
        begun, before = time.monotonic(), _accepted(here)
        self._say(" + ".join(names))
        try:
            with here.workload.sending():
                here.field("before").settle(_BEFORE)
                for fault in faults:
                    this.told.append(self._inject(here, fault))
                here.field("after").settle(_AFTER)
            this.findings = verdict(here, self._orders.patience)
        except Ended:
            this.faults = names[: len(this.told) + 1]
            this.broken = "ended from outside"
        except Exception as exc:  # any failure of a round is told, and fails the campaign
            (here.directory / "trace.txt").write_text(traceback.format_exc())
            this.faults = names[: len(this.told) + 1]
            this.broken = f"{this.faults[-1]}: {type(exc).__name__}: {exc}"
        this.seconds, this.messages = time.monotonic() - begun, _accepted(here) - before
        self._report(this)
        return this

    def _inject(self, here: Site, fault: Fault) -> Told:
        dice = random.Random(self._rng.getrandbits(64))
        begun = time.monotonic()
        field_ = here.field(fault.name)
        told = fault.run(field_, dice)
        field_.say(HEALED)
        here.revoked |= told.revoked
        here.restored |= told.restored
        here.expired |= told.expired
        here.bent |= told.bent
        self._say(f"  {time.monotonic() - begun:.0f} s: {told.what}")
        return told

    def _wait_for_deadlines(self, here: Site, rounds: list[Round]) -> None:
        """See who is told when a deadline passes, if no verdict of this stack saw it yet."""
        if not rounds or not rounds[-1].ok or here.judged is None:
            return
        last, at = rounds[-1], here.judged.at
        seen = deadlines.judged_after(here.judged)
        lacks = exercised.lacking(here.judged)
        if seen is None:
            last.broken = "nothing immediate was left to its deadline"
        elif lacks is not None:
            last.broken = lacks
        elif at <= seen:
            try:
                here.field("deadlines").settle(seen + 1 - SystemClock().now().timestamp())
                last.findings = verdict(here, self._orders.patience)
            except Ended:
                last.broken = "ended from outside"
        if not last.ok:
            self._report(last)

    def _search(self, here: Site, rounds: list[Round]) -> None:
        """End the stack, then look for words of contents in every file it leaves."""
        here.workload.stop()
        here.district.stop()
        root = here.district.directory
        files = sorted({str(path.relative_to(root)) for path, _ in found_in(root, MARKS)})
        if files and rounds:
            why = "holds a word of a content"
            rounds[-1].findings += [Finding(Kind.PLAINTEXT, path, why) for path in files]
            self._report(rounds[-1])

    def _report(self, this: Round) -> None:
        how = "fine" if this.ok else this.broken or f"{len(this.findings)} findings"
        self._say(f"  {this.messages} messages, {this.seconds:.0f} s: {how}")
        for finding in this.findings[:20]:
            self._say(f"    {finding.kind.value}: {finding.about}: {finding.why}")


def _rows(faults: Sequence[Fault]) -> list[tuple[Fault, ...]]:
    """Those in rows first, then each of the others by itself, and last what can't be undone."""
    short = [fault for fault in faults if fault.turn == "row"]
    rows = [tuple(short[n : n + _ROW]) for n in range(0, len(short), _ROW)]
    for turn in ("alone", "last"):
        rows += [(fault,) for fault in faults if fault.turn == turn]
    return rows


def _accepted(here: Site) -> int:
    """Count the messages that a gateway answered 201."""
    entries = here.history.entries()
    return len({e.id for e in entries if e.call == "send" and e.phase is Phase.OK})
