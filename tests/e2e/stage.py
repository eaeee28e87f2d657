"""Kreis Viersen as `meldeweg local up` runs it, and what the tests of the whole do with it.

Every process reads a TOML file of its own, so that a test can bend one service (a failpoint, a
wrong clock) by writing the file and killing the process: the supervisor starts it again.
"""

import copy
import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg

import meldeweg
import plain
from e2e.asking import PATIENCE, eventually
from e2e.invented import KREIS, LABELS, MARK, OFFICER, PLACES, POLICE, WORKER
from meldeweg.audit.export import export
from meldeweg.audit.sources import open_source
from meldeweg.ceremony.desk import Desk
from meldeweg.ceremony.district import Places
from meldeweg.client import Gateway, NotAvailable, Unreachable
from meldeweg.kernel import event, statement
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples
from meldeweg.local import Options, Stack
from meldeweg.local.district import DistrictPlan
from meldeweg.local.probes import kafka_answers
from meldeweg.local.progress import Silent

_GATEWAY = {
    "MELDEWEG_WATCH__HEARTBEAT": "4",
    "MELDEWEG_WATCH__LOOK_EVERY": "0.5",
    "MELDEWEG_WATCH__SILENT_IMMEDIATE": "5",
    "MELDEWEG_KEYS_LOOK_EVERY": "0.5",
    "MELDEWEG_PARKING__LOOK_EVERY": "1",
    "MELDEWEG_PARKING__OTHERS": "12",
    "MELDEWEG_PARKING__IMMEDIATE": "12",
    "MELDEWEG_OUTBOX__LOOK_EVERY": "0.5",
    "MELDEWEG_AUDIT__LOOK_EVERY": "0.5",
    "MELDEWEG_AUDIT__TIMEOUT": "1",
    "MELDEWEG_OUTBOX__FREE_MIN": "0",  # the disk is not what is tested here
}
_CENTRAL = {
    "registry": {"MELDEWEG_SNAPSHOT_SECONDS": "5"},
    "audit": {},
    "watch": {"MELDEWEG_REFRESH_SECONDS": "0.5"},
}


def _read(parse, token):
    """Parse a statement of the log, or return None: a poisoned record is logged as well."""
    try:
        return parse(token)
    except Refused:
        return None


class _Told(Silent):
    """Keeps the lines that a person at the terminal would read."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


class District:
    """The running stack, and a client for each of its gateways.

    `brokers`: 1 or 3. `extra`: process → environment it gets besides. `plan`: a file of the same
    district with other terms.
    """

    def __init__(self, directory, *, brokers=1, extra=None, plan="kreis-viersen"):
        self.directory = directory
        self._brokers, self._extra, self.plan = brokers, extra or {}, str(plan)
        self.places = Places(directory / "trust")
        self._config = directory / "config"
        self._config.mkdir(parents=True)
        self._clients = {}
        self.stack = None

    def start(self):
        names = [f"gateway-{each.agency}" for each in load_district("kreis-viersen").parties]
        extra = {name: dict(_GATEWAY) for name in names} | copy.deepcopy(_CENTRAL)
        for name, environment in extra.items():
            self._toml(name).touch()
            environment["MELDEWEG_CONFIG"] = str(self._toml(name))
        for name, environment in self._extra.items():
            extra[name] = extra.get(name, {}) | dict(environment)
        options = Options(directory=self.directory, brokers=self._brokers, extra=extra)
        progress = _Told()
        self.stack = Stack(options, DistrictPlan(self.plan), progress=progress).start()
        self.told = progress.lines
        self.described = self.stack.description()

    def stop(self):
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.stack.stop()

    # -- who is there ------------------------------------------------------------------------

    def __getitem__(self, agency):
        """Return the agency's client; it outlives its gateway's restarts."""
        if agency not in self._clients:
            entry = self.described.agencies[agency]
            self._clients[agency] = Gateway(entry.url, entry.token)
        return self._clients[agency]

    @property
    def police(self):
        return self[POLICE]

    @property
    def kreis(self):
        return self[KREIS]

    def connection(self, agency):
        """Return how the agency's gateway reaches the broker: with its own certificate."""
        kafka = self.described.agencies[agency].kafka
        broker = self.described.broker
        return Connection(broker.bootstrap, broker.ca, kafka.cert, kafka.key, f"test-{agency}")

    def super_user(self):
        found = self.stack.super_user
        return Connection(
            self.described.broker.bootstrap, found.ca, found.cert, found.key, "test-super"
        )

    def desk(self):
        registry = self.described.services["registry"]
        return Desk(registry.url, registry.token)

    def ask(self, service, path):
        """GET a path of a central service with the operators' or an auditor's token.

        Waits for a service that is starting, or whose database is.
        """
        entry = self.described.services[service]
        headers = {"Authorization": f"Bearer {entry.token}"}

        def answer():
            try:
                found = plain.get(entry.url + path, headers=headers, timeout=30)
            except httpx2.TransportError:
                return None
            return None if found.status_code == 503 else found

        return eventually(answer).raise_for_status()

    def raw(self, agency, method, path, **more):
        """Call a gateway as its case system would, without the client's kindness."""
        entry = self.described.agencies[agency]
        headers = {"Authorization": f"Bearer {entry.token}"} | more.pop("headers", {})
        return plain.request(method, entry.url + path, headers=headers, timeout=30, **more)

    def raw_send(self, agency, content, key):
        """Send an inquiry to the police once, without any second try."""
        entry = self.described.agencies[agency]
        with Gateway(entry.url, entry.token, retries=0) as once:
            return once.send("inquiry", {"agency": POLICE}, content, acting_person=WORKER, key=key)

    # -- messages ----------------------------------------------------------------------------

    def content(self, base=examples.NOTIFICATION, **changes):
        """Return an invented content, told to nobody by phone, with a word of its own in it."""
        made = copy.deepcopy(base) | {"handover": None} | changes
        made = {name: value for name, value in made.items() if value is not None}
        mark = self.secret()
        for where in ("facts", "answers", "changes"):
            if where in made:
                made[where][0]["now" if where == "changes" else "what"] = f"Erfunden: {mark}."
                return made
        for where in ("needed_for", "explanation"):
            if where in made:
                made[where] = f"Erfunden: {mark}."
                return made
        raise AssertionError("no place for a mark")

    def secret(self):
        """Return words that no disk may ever hold; all contain the one that is looked for."""
        return f"{MARK} {uuid.uuid4().hex}"

    def report(self, to=KREIS, sender=POLICE, **more):
        """Send a notification without a call before it; returns the acceptance."""
        content = more.pop("content", None) or self.content()
        named = {"acting_person": OFFICER, "labels": LABELS} | more
        return self[sender].send("notification", {"place": PLACES[to]}, content, **named)

    def arrived(self, agency, message):
        """Wait until a message is in the inbox; returns its item."""
        return eventually(lambda: self.inbox(agency).get(message))

    def inbox(self, agency):
        """Return everything that arrived, by id, in order of arrival; each id once."""
        items = [item for page in self[agency].inbox_pages() for item in page.items]
        assert len({(item.sender, item.id) for item in items}) == len(items)
        return {item.id: item for item in items}

    def becomes(self, message, *states, sender=POLICE, seconds=PATIENCE):
        """Wait until a sent message is in one of `states`; its gateway may be starting again."""

        def reached():
            try:
                found = self[sender].sent(message)
            except Unreachable:
                return None
            except NotAvailable as exc:
                if exc.code != "starting":
                    raise
                return None
            return found if found.state in states else None

        return eventually(reached, seconds)

    # -- the log -----------------------------------------------------------------------------

    def log(self, out):
        """Export the log; returns its lines."""
        audit = self.described.services["audit"]
        with open_source(audit.url, audit.token) as source:
            export(source, out)
        return [json.loads(line) for line in (out / "leaves.jsonl").read_bytes().splitlines()]

    def logged(self, *digests, kind="message", seconds=PATIENCE):
        """Wait until the log has a message with each digest; returns digest → entry."""

        def found():
            entries = {
                parsed.digest: entry
                for entry, parsed in self.statements()
                if parsed.context.kind == kind
            }
            return {each: entries[each] for each in digests} if set(digests) <= set(entries) else {}

        return eventually(found, seconds)

    def statements(self):
        """Return (line, parsed statement) of every message and receipt of the log, in order."""
        found = [(line, _read(statement.parse, token)) for line, token in self._tokens()]
        return [(line, parsed) for line, parsed in found if parsed is not None]

    def gaps(self):
        """Return topic → offsets that the log lacks below its newest of that topic."""
        seen = {}
        for text in self.ask("audit", "/leaves.jsonl").text.splitlines():
            line = json.loads(text)
            if "topic" in line:
                seen.setdefault(line["topic"], []).append(line["offset"])
        return {
            topic: offsets
            for topic, offsets in seen.items()
            if offsets != list(range(len(offsets)))
        }

    def events(self, agency, kind):
        """Return the events of a kind that the log holds of an agency, in order."""
        found = [_read(event.parse, token) for _, token in self._tokens()]
        bodies = [each.body for each in found if each is not None]
        events = [each for each in bodies if isinstance(each, event.Event)]
        return [each for each in events if each.agency == agency and each.kind == kind]

    def _tokens(self):
        for text in self.ask("audit", "/leaves.jsonl").text.splitlines():
            line = json.loads(text)
            token = line.get("statement")
            if isinstance(token, str):
                yield line, token.encode()

    # -- faults ------------------------------------------------------------------------------

    def pid(self, process):
        return self.stack.pids[process]

    def kill(self, process):
        """End a process as a power cut would; wait until the supervisor has another one up."""
        before = self.pid(process)
        os.kill(before, signal.SIGKILL)
        self.back(process, before)

    def back(self, process, before):
        """Wait until a process has another pid than `before`, and is ready."""
        eventually(lambda: self.pid(process) != before)
        eventually(lambda: self.is_ready(process), shown=lambda: process)

    def is_ready(self, process):
        known = self.described
        try:
            if process == "postgres":
                psycopg.connect(known.postgres.uri).close()
                return True
            if process.startswith("broker-"):
                kafka_answers(self._broker_port(process), self.stack.super_user)
                return True
            return plain.get(f"{self._url(process)}/readyz").status_code == 200
        except (httpx2.TransportError, Unavailable, psycopg.OperationalError):
            return False

    def _broker_port(self, process):
        addresses = self.described.broker.bootstrap.split(",")
        return int(addresses[int(process.removeprefix("broker-")) - 1].rsplit(":", 1)[1])

    def _url(self, process):
        if process in self.described.services:
            return self.described.services[process].url
        return self.described.agencies[AgencyId(process.removeprefix("gateway-"))].url

    def bend(self, process, **settings):
        """Start a process again with other settings; it has read them when this returns.

        What they make of it may end it before it is ready: the next start has none of them.
        """
        before = self.pid(process)
        self.set(process, **settings)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pid(process) != before)
        bent = self.pid(process)
        eventually(lambda: self.pid(process) != bent or self.is_ready(process))
        self.set(process)  # what starts after this one is not bent
        eventually(lambda: self.is_ready(process), shown=lambda: process)

    def set(self, process, **settings):
        """Choose the settings with which a process starts from now on; none: as ever."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        self._toml(process).write_text("\n".join(lines))

    @contextmanager
    def frozen(self, process):
        """Stop a process in its tracks, and let it go on."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _toml(self, process):
        return self._config / f"{process}.toml"

    # -- the command line --------------------------------------------------------------------

    def cli(self, *args, code=0, stdin=None):
        """Run `meldeweg` as a process of its own; check its exit code, return what it said."""
        clean = {name: value for name, value in os.environ.items() if "MELDEWEG" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "meldeweg.cli", *map(str, args)],
            env=clean | {"PYTHONPATH": str(Path(meldeweg.__file__).parents[1])},
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr if code else done.stdout

    def cli_json(self, *args, **more):
        return json.loads(self.cli(*args, "--json", **more))

    def now(self):
        return SystemClock().now()
