"""Tiles over HTTP: bounded in size and time, full ones asked for once."""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from meldeweg.gateway.inclusion.fetching import Tiles
from meldeweg.gateway.settings import LogSettings
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.tiles import Tile

ORIGIN = "audit.example/kreis-musterstadt/2026"


class Served:
    """An HTTP server that answers as told and notes what it was asked."""

    def __init__(self):
        self.asked, self.status, self.body, self.pause = [], 200, b"", 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                self.send_response(outer.status)
                self.end_headers()
                with suppress(OSError):  # who asked has gone
                    for at in range(0, len(outer.body), 1000):
                        self.wfile.write(outer.body[at : at + 1000])
                        self.wfile.flush()
                        time.sleep(outer.pause)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def served():
    made = Served()
    yield made
    made.server.shutdown()
    made.server.server_close()


def tiles(served, **settings):
    return Tiles(LogSettings(url=served.url, **settings))


def test_a_tile_is_asked_for_by_its_path_in_the_log_of_its_year(served):
    served.body = bytes(32 * 7)
    assert tiles(served).reader(ORIGIN)(Tile(0, 1234, 7)) == served.body
    assert served.asked == ["/tile/0/x001/234.p/7?year=2026"]


def test_full_tiles_are_asked_for_once_and_partial_ones_once_in_a_run(served):
    some = tiles(served)
    served.body = bytes(32 * 256)
    for _ in range(2):
        some.reader(ORIGIN)(Tile(0, 0))
    assert len(served.asked) == 1
    some.reader("audit.example/kreis-musterstadt/2027")(Tile(0, 0))
    served.body = bytes(32)
    for _ in range(2):
        run = some.reader(ORIGIN)
        assert run(Tile(0, 1, 1)) == run(Tile(0, 1, 1)) == served.body
    assert len(served.asked) == 4


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, b"", "log-unreachable"),
        (500, bytes(32), "log-unreachable"),
        (302, bytes(32), "log-unreachable"),
        (200, bytes(31), "log-tile-malformed"),
        (200, bytes(33), "log-tile-malformed"),
        (200, bytes(1_000_000), "log-tile-malformed"),
    ],
)
def test_another_answer_than_the_tile_is_no_tile(served, status, body, code):
    served.status, served.body = status, body
    with pytest.raises(Unavailable, match=code):
        tiles(served).reader(ORIGIN)(Tile(0, 0, 1))


def test_a_service_that_drips_or_says_nothing_is_not_waited_for(served):
    served.body, served.pause = bytes(32 * 256), 0.5
    began = time.monotonic()
    with pytest.raises(Unavailable, match="log-slow"):
        tiles(served, run_max=0.3).reader(ORIGIN)(Tile(0, 0))
    assert time.monotonic() - began < 3  # all of it takes more than 4
    served.pause = 2.0
    with pytest.raises(Unavailable, match="log-unreachable"):
        tiles(served, timeout=0.2).reader(ORIGIN)(Tile(0, 0))


def test_a_service_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable, match="log-unreachable"):
        Tiles(LogSettings(url="http://127.0.0.1:9")).reader(ORIGIN)(Tile(0, 0))


def test_a_ca_that_can_not_be_read_is_a_wrong_setting(tmp_path):
    for path in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").touch()
        with pytest.raises(Fatal, match="setting-invalid"):
            Tiles(LogSettings(url="https://audit.example", ca=path))
