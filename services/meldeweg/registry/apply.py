"""Make the broker as the agreements say: create and repair topics, give rights, take them back.

Guarantees: idempotent; nothing that the registry does not manage is touched; a topic is created
before anyone may write it; a register that knows nobody takes nothing away. Trusts: the plan
(`provisioning`), which is pure; the caller has read the topics of trust (`feed`) before it plans.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from meldeweg.kernel import logs, metrics
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.trust.view import View
from meldeweg.registry.provisioning import Difference, Provision, desired, difference

log = logs.get()
_changes = metrics.counter("provisioning_changes", "Topics and ACLs changed", "action")
logs.allow(created_topics=int, created_acls=int, deleted_acls=int, altered_topics=int)
_SETTLED = 10.0  # seconds until the broker's own authorizer must say what it was told
_LOOK = 0.02  # seconds between looks


class Provisioner:
    """Compares and applies; one comparison at a time."""

    def __init__(
        self, view: View, admin: Admin, clock: Clock, *, replication: int, period: float
    ) -> None:
        self._view, self._admin, self._clock = view, admin, clock
        self._replication, self._period = replication, period
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._trouble: str | None = "not-provisioned"

    def missing(self) -> str | None:
        """Return the code of what hindered the last comparison, or None."""
        return self._trouble

    def wake(self) -> None:
        """Compare now rather than at the next period: the register has changed."""
        self._wake.set()

    async def plan(self) -> Difference:
        """Return what would be done now, and do nothing. Raises `Unavailable`."""
        with _never_refused():
            names, acls = await self._admin.topics(), await self._admin.acls()
            want = desired(self._view, self._clock.now())
            configs = await self._admin.configs(sorted(names & want.topics))
        return difference(want, Provision(frozenset(names), frozenset(acls), configs))

    async def reconcile(self) -> Difference:
        """Do what the plan says. Rights are taken first: the brake does not wait."""
        async with self._turn:
            todo = await self.plan()
            if todo.delete_acls and not self._view.agencies():
                raise Unavailable("register-empty", "an empty register takes no rights away")
            if todo:
                with _never_refused():
                    await self._admin.delete_acls(todo.delete_acls)
                    await self._admin.create_topics(
                        todo.create_topics, replication=self._replication
                    )
                    await self._admin.create_acls(todo.create_acls)
                    await self._admin.alter_configs(todo.alter_topics)
                _count(todo)
            return todo

    async def settle(self) -> None:
        """Reconcile, and return once the broker itself says that nothing is left to do.

        A change of rights reaches the authorizer some milliseconds after the call that made it.
        Raises `Unavailable`: `provisioning-not-settled`, or why it could not be done.
        """
        try:
            async with asyncio.timeout(_SETTLED):
                while await self.reconcile():  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(_LOOK)
        except TimeoutError as exc:
            raise Unavailable("provisioning-not-settled", "the broker lags behind") from exc

    async def run(self) -> None:
        """Reconcile for ever, on every change of the register and once a period."""
        while True:
            self._wake.clear()
            try:
                await self.reconcile()
                self._trouble = None
            except Unavailable as exc:
                self._trouble = exc.code
                log.warning("provisioning_failed", code=exc.code)
            try:
                await asyncio.wait_for(self._wake.wait(), self._period)
            except TimeoutError:
                continue


@contextmanager
def _never_refused() -> Iterator[None]:
    """A right that the registry itself lacks is the operators' to give: it is waited for."""
    try:
        yield
    except Refused as exc:
        raise Unavailable(exc.code, "the broker refuses the registry") from exc


def _count(done: Difference) -> None:
    _changes.labels("create-topic").inc(len(done.create_topics))
    _changes.labels("create-acl").inc(len(done.create_acls))
    _changes.labels("delete-acl").inc(len(done.delete_acls))
    _changes.labels("alter-topic").inc(len(done.alter_topics))
    log.info(
        "provisioned",
        created_topics=len(done.create_topics),
        created_acls=len(done.create_acls),
        deleted_acls=len(done.delete_acls),
        altered_topics=len(done.alter_topics),
    )
