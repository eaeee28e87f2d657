"""A process that writes to a store and says aloud what was answered: `load.py DIR [BYTES]`.

Prints `ready`, then a line per answered write (unbuffered: what was printed had been answered), and
`unavailable CODE` for each refused one. With BYTES, no file may grow beyond that (RLIMIT_FSIZE).
"""

import asyncio
import os
import resource
import sys
from pathlib import Path

from meldeweg.gateway.store import Store, meta
from meldeweg.kernel.errors import Unavailable

_VALUE = "x" * 2000


def say(line):
    os.write(1, line.encode() + b"\n")


async def worker(store, number):
    for count in range(10**9):
        name = f"{number}-{count}"
        try:
            await store.write(lambda db, name=name: meta.put(db, name, _VALUE))
        except Unavailable as exc:
            say(f"unavailable {exc.code} {name}")
            await asyncio.sleep(0.02)
        else:
            say(name)


async def main():
    store = Store(Path(sys.argv[1]))
    await store.start()
    if len(sys.argv) > 2:
        limit = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    say("ready")
    workers = [asyncio.create_task(worker(store, n)) for n in range(16)]
    await store.watch()
    await asyncio.gather(*workers)


asyncio.run(main())
