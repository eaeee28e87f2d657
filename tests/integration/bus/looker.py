"""Administers in a process of its own until each look went well and one did not, and some seconds
longer; at most for a time. Prints how often each look ended how.

The looks go side by side: one after the other they keep step with the broker's fencing, and one of
them may then never meet a broker that answers.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.errors import Unavailable

_LONGER = 3.0  # seconds


async def main(seconds, bootstrap, ca, cert, key):
    admin = Admin(Connection(bootstrap, Path(ca), Path(cert), Path(key), "looker"), timeout=2)
    looks = {
        "topics": admin.topics,
        "acls": admin.acls,
        "configs": lambda: admin.configs(["registry.agencies"]),
        "topic_ids": lambda: admin.topic_ids(["registry.agencies"]),
    }
    found, until, seen = Counter(), time.monotonic() + float(seconds), False

    async def look_on(name, look):
        nonlocal until, seen
        while time.monotonic() < until:
            try:
                await look()
                found[name] += 1
            except Unavailable:
                found[f"{name} unavailable"] += 1
            if not seen and all(found[each] for each in (*looks, "topics unavailable")):
                seen, until = True, min(until, time.monotonic() + _LONGER)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(look_on(*each) for each in looks.items()))
    sys.stdout.write(json.dumps(found))


asyncio.run(main(*sys.argv[1:]))
