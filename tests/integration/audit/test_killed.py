"""The service as a process of its own, killed with -9 at each of its points, and begun again."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import plain
from integration.audit.busstage import Bus, published, some
from integration.audit.harness import ORIGIN, OTHER, TOPIC
from meldeweg.audit import ledger, sealing
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.kernel import failpoints
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.keyfile import write_private
from meldeweg.kernel.leaf import RECORD, parse_leaf
from meldeweg.kernel.tiles import ENTRIES, Tile, decode_bundle

POINTS = [name for name in failpoints.declared() if name.startswith("audit.")]
IMPORTED = (ledger, sealing)  # so that their points are declared


class Process:
    def __init__(self, bus, uri, home, armed=""):
        client = bus.broker.pki.service("audit")
        if not (home / "key.json").exists():
            write_private(home / "key.json", SigningKey(b"an invented test key of 32 bytes"))
        (home / "uri").write_text(uri)
        self.log = home / "log"
        given = {
            "PYTHONPATH": str(Path(__file__).parents[3] / "services"),
            "MELDEWEG_MODE": "demo",
            "MELDEWEG_FAILPOINTS": armed,
            "MELDEWEG_DATABASE": str(home / "uri"),
            "MELDEWEG_KEY": str(home / "key.json"),
            "MELDEWEG_ORIGIN": ORIGIN,
            "MELDEWEG_KAFKA__BOOTSTRAP": bus.broker.bootstrap,
            "MELDEWEG_KAFKA__CA": str(client.ca),
            "MELDEWEG_KAFKA__CERT": str(client.cert),
            "MELDEWEG_KAFKA__KEY": str(client.key),
        }
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "meldeweg.audit"], env=os.environ | given, stderr=log
            )

    @property
    def url(self):
        for line in self.log.read_text().splitlines():
            if url := json.loads(line).get("url"):
                return url
        return None

    async def signed(self, size):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self.child.poll() is None, self.log.read_text()
            answer = plain.get(f"{self.url}/checkpoint") if self.url else None
            if answer and answer.is_success and int(answer.text.split("\n")[1]) >= size:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self):
        self.child.terminate()
        return self.child.wait(30)


async def test_killed_at_any_point_the_log_goes_on_gap_free_and_forks_nothing(
    own_broker, uri, tmp_path
):
    bus = Bus(own_broker)
    await bus.clean()
    await bus.create(TOPIC, OTHER)
    written = 0
    assert len(POINTS) >= 5
    for nth, point in enumerate(POINTS):
        process = Process(bus, uri, tmp_path, f"{point}=kill@{1 + nth % 2}")
        try:
            for _ in range(120):  # there must be something to do again, however slow the machine
                await bus.write(TOPIC, *some(20, written))
                await bus.write(OTHER, *some(20, written))
                written += 20
                await asyncio.sleep(0.5)
                if process.child.poll() is not None:
                    break
            assert process.child.poll() == -9, process.log.read_text()
        finally:
            process.child.kill()
            process.child.wait()
    process = Process(bus, uri, tmp_path)
    try:
        await process.signed(2 * written + 1)
        assert verify_url(process).ok
        # What is served is signed; it is on the bus a moment later.
        async with asyncio.timeout(60):
            while max(size for _, size in await published(bus)) < 2 * written + 1:  # noqa: ASYNC110 - another process publishes
                await asyncio.sleep(0.5)
        assert process.stop() == 0
    finally:
        process.child.kill()
        process.child.wait()
    roots = await published(bus)
    assert all(len(found) == 1 for found in roots.values())
    assert max(size for _, size in roots) == 2 * written + 1
    await bus.close()


def verify_url(process):
    """Without a token: the tree, and by its leaves that no offset is missing or twice."""
    with open_source(process.url) as source:
        report = verify(source, shown=False)
        following = {}
        for at in range(0, report.size, 256):
            width = min(256, report.size - at)
            bundle = source.read(Tile(ENTRIES, at // 256, width).path(), 50_000)
            for leaf in map(parse_leaf, decode_bundle(bundle, width)):
                if leaf.kind == RECORD:
                    assert leaf.offset == following.get(leaf.topic_id, 0)
                    following[leaf.topic_id] = leaf.offset + 1
        assert sum(following.values()) == report.size - 1
        return report
