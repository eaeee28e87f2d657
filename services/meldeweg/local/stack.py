"""The whole backbone of one directory, from nothing to ready and back to nothing.

Guarantees: one stack per directory; `stack.json` is there exactly while everything is ready (or
held back by the register's brake, which is told), and tells the process ids of the moment; whatever
goes wrong while it starts, nothing is left running. A second start goes on with the state of the
first. Trusts the plan to describe what it starts.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.local import description, held, roster
from meldeweg.local.backbone import Backbone
from meldeweg.local.broker import Nodes
from meldeweg.local.description import (
    AgencyEntry,
    Certificate,
    Description,
    Principal,
    ServiceEntry,
)
from meldeweg.local.files import located, private_directory, write_private
from meldeweg.local.keeper import GRACE, Keeper
from meldeweg.local.lock import LOCK, StackLock
from meldeweg.local.pki import Credential, DemoPki
from meldeweg.local.plan import BackboneAlone, Plan, Stage
from meldeweg.local.progress import Progress, Silent
from meldeweg.local.supervisor import Supervisor
from meldeweg.local.timings import Timings
from meldeweg.local.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `meldeweg local up` is told."""

    directory: Path
    brokers: Nodes = 1
    restart: bool = True
    # Process → environment variables it gets in addition: failpoints, a bent clock, shorter times.
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def _never() -> bool:
    return False


class Stack:
    """One stack. `start`, then `stop`; or a `with`."""

    def __init__(
        self,
        options: Options,
        plan: Plan,
        *,
        progress: Progress | None = None,
        interrupted: Callable[[], bool] = _never,
    ) -> None:
        self.directory = located(options.directory)
        self.timings = Timings()
        self._options = options
        self._plan = plan
        self._progress = progress or Silent()
        self._interrupted = interrupted
        self._lock: StackLock | None = None
        self._backbone: Backbone | None = None
        self._supervisor: Supervisor | None = None
        self._ready = False

    def start(self) -> Self:
        """Start everything and wait until all is ready.

        Raises `Refused(stack-in-use | directory-foreign)`, `Fatal`, `Unavailable` or
        `Interrupted`; nothing runs then.
        """
        try:
            if _is_shared(self.directory):
                raise Refused("directory-foreign", str(self.directory))
            private_directory(self.directory)
            private_directory(self.directory / "logs")
        except OSError as exc:
            raise Fatal("directory-unusable", f"{self.directory}: {exc.strerror}") from exc
        # A keeper may still be ending what a killed supervisor left: it holds the lock that long.
        self._lock = StackLock.take(self.directory, patience=self._patience())
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, in reverse. Idempotent."""
        self._ready = False
        if self._lock is None:
            return
        description.remove(self.directory)
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        if self._backbone is not None:
            self._backbone.release()
            self._backbone = None
        self._lock.release()
        self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pids(self) -> Mapping[str, int]:
        """Process name → id, as of now."""
        return self._supervisor.pids if self._supervisor else {}

    @property
    def pki(self) -> DemoPki:
        """The certificates of this stack; tests issue themselves what they need."""
        assert self._backbone is not None
        return self._backbone.pki

    @property
    def super_user(self) -> Credential:
        """May do everything at the broker: for looking on in tests, never for a service."""
        assert self._backbone is not None
        return self._backbone.broker.super_user

    def description(self) -> Description:
        """Return what `stack.json` says, as of now."""
        assert self._backbone is not None
        return _described(self._backbone, self._plan, self.pids)

    def _patience(self) -> float:
        """Wait for a keeper that is at work, not for a supervisor that is well."""
        last = roster.read(self.directory)
        alive = last is not None and last.supervisor.process() is not None
        return 0.0 if alive else GRACE + 5.0

    def _demand_same_district(self) -> None:
        """One directory, one district: enrolments on an append-only topic can't be taken back."""
        if self._plan.district == BackboneAlone.district:
            return  # without services it fits any
        path = self.directory / "district"
        if not path.exists():
            write_private(path, self._plan.district.encode())
        before = path.read_text(encoding="utf-8", errors="replace")
        if before != self._plan.district:
            raise Refused("district-changed", f"{self.directory} was made for {before}")

    def _start(self) -> None:
        assert self._lock is not None
        self._demand_same_district()
        description.remove(self.directory)
        roster.end_leftovers(self.directory)
        keeper = Keeper(holds=(self._lock.handle,))
        self._supervisor = Supervisor(
            self.directory,
            keeper,
            restart=self._options.restart,
            changed=self._write_description,
        )
        with self._phase("Broker und Datenbank vorbereiten"):
            self._backbone = Backbone(self.directory, brokers=self._options.brokers)
            specs = self._backbone.prepare(Tools(keeper, self._interrupted))
        self._run(Stage("Broker und Datenbank starten", specs))
        with self._phase("Dem Register seine Rechte geben"):
            self._backbone.provision()
        stages = iter(self._plan.stages(self._backbone))
        while True:
            with self.timings.phase("Behörden anmelden und Rechte abwarten"):
                stage = next(stages, None)
            if stage is None:
                break
            self._run(stage)
        self.timings.finish()
        self.timings.measure_memory(self.pids)
        self.timings.write(self.directory)
        self._ready = True
        self._write_description()
        self._supervisor.tend()

    def _run(self, stage: Stage) -> None:
        assert self._supervisor is not None
        specs = [
            dataclasses.replace(spec, env={**spec.env, **self._options.extra.get(spec.name, {})})
            for spec in stage.specs
        ]
        with self._phase(stage.title):
            self.timings.ready_after |= self._supervisor.start_stage(specs, self._interrupted)
        for spec in specs:
            if spec.name in self._supervisor.held:
                for line in held.told(spec.name, self._supervisor.held[spec.name]):
                    self._progress.say(line)

    @contextmanager
    def _phase(self, title: str) -> Iterator[None]:
        with self._progress.phase(title), self.timings.phase(title):
            yield

    def _write_description(self) -> None:
        # Called from the supervisor's thread when a process has a new id.
        if self._ready:
            description.write(self.directory, self.description())


def _described(backbone: Backbone, plan: Plan, running: Mapping[str, int]) -> Description:
    return Description(
        district=plan.district,
        broker=backbone.describe_broker(running),
        postgres=backbone.describe_postgres(running),
        agencies={
            agency: AgencyEntry(
                url=place.url,
                token=place.token,
                pid=running[place.process],
                store=place.store,
                kafka=Principal(
                    cert=place.kafka.cert, key=place.kafka.key, principal=place.kafka.principal
                ),
            )
            for agency, place in plan.agencies().items()
        },
        services={
            name: ServiceEntry(
                url=place.url,
                token=place.token,
                pid=running[place.process],
                kafka=Certificate(cert=place.kafka.cert, key=place.kafka.key),
            )
            for name, place in plan.services().items()
        },
    )


def _is_shared(directory: Path) -> bool:
    """Say whether others may use what lies there already: it would be closed to them."""
    if not directory.exists() or (directory / LOCK).exists():
        return False
    return bool(directory.stat().st_mode & 0o077) and any(directory.iterdir())
