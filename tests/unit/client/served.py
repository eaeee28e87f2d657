"""The real application on a real socket, over flows that only remember or fail as told."""

import asyncio
import threading
from contextlib import contextmanager

import httpx2

from meldeweg.client import Gateway
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.settings import HttpSettings
from unit.gateway.api import fake

TO = {"place": "05166008"}
CONTENT = {"grounds": ["domestic-violence"]}


@contextmanager
def serving(flows):
    """Serve the application in a thread of its own, as a process of its own would."""
    ready, stopped = threading.Event(), []

    def run():
        async def main():
            server = Server(fake.application(flows), HttpSettings())
            stopped.append((asyncio.get_running_loop(), server))
            ready.set()
            await server.run_until_stopped()

        asyncio.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    loop, server = stopped[0]
    try:
        yield server.url
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)


class Selective(fake.Selective):
    """`times` is how often the flow of a test raises."""

    times = 1000

    def heard(self, *call):
        self.asked.append(call)
        if self.raises is not None and self.times > 0:
            self.times -= 1
            raise self.raises


def answering(status, content, kind="application/json"):
    answer = httpx2.Response(status, content=content, headers={"content-type": kind})
    return Gateway("http://localhost", "t", transport=httpx2.MockTransport(lambda _: answer))
