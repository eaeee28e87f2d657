"""The integrator's page, carried out: each block against a real gateway's flows over real HTTP."""

import asyncio
import re
from pathlib import Path

from meldeweg.client import Gateway
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.settings import HttpSettings
from unit.gateway.api.test_real_flows import Http, other  # noqa: F401 - a fixture
from unit.gateway.conftest import fresh, migrated, store, world  # noqa: F401 - fixtures

PAGE = Path(__file__).parents[3] / "docs" / "integrator.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_first_message_is_ten_lines_without_its_content():
    lines = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) <= 10


async def test_every_block_of_the_page_does_what_it_says(store, world, other, capsys):  # noqa: F811
    both = Http(store, world, other)
    server = Server(both.police._transport.app, HttpSettings())
    task = asyncio.create_task(server.run_until_stopped())
    token = both.police.headers["authorization"].removeprefix("Bearer ")
    names = {"url": server.url, "token": token}

    def carry_out():
        first, labels, *rest = BLOCKS
        exec(labels, names)
        exec(first, names)
        with Gateway(server.url, token) as gateway:
            names["gateway"] = gateway
            for block in rest:
                exec(block, names)

    try:
        await asyncio.to_thread(carry_out)
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)
        await both.police.aclose()
        await both.office.aclose()
    said = capsys.readouterr().out
    assert "jugendamt-kreis-viersen bestätigt bis" in said
    assert "außerhalb des Kreises" in said
    assert names["first"] == names["again"]
    assert both.sender.counts()["sent"] == 2
