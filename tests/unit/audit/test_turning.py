"""The year turns while somebody reads the newest log of a running service: it stays one log."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from meldeweg.audit.export import export
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from unit.audit.synthetic import Log


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Year → directory with its log, as the service would give it."""
    where = tmp_path_factory.mktemp("years")
    old = Log("audit.example/log/2026")
    old.messages(300)
    new = Log("audit.example/log/2027", 2027, old.previous)
    new.messages(4)
    return {2026: old.write(where / "2026"), 2027: new.write(where / "2027")}


@contextmanager
def serving(years, turns_after):
    """Serve the newest log to whoever names no year: another one after so many requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            newest = 2026 if len(asked) < turns_after else 2027
            asked.append(self.path)
            year = int(parse_qs(parts.query).get("year", [newest])[0])
            file = years[year] / parts.path.lstrip("/")
            found = file.is_file()
            data = file.read_bytes() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            """Nothing: it would go to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("turns_after", range(12))
def test_a_log_that_is_read_while_the_year_turns_is_one_log(years, tmp_path, turns_after):
    size = 5 if turns_after == 0 else 301
    with serving(years, turns_after) as (url, asked), open_source(url) as source:
        report = verify(source)
        assert report.ok, report
        assert report.size == size
    assert len(asked) > 6
    with serving(years, turns_after) as (url, _), open_source(url) as source:
        assert export(source, tmp_path / "out").size == size
    with open_source(str(tmp_path / "out")) as made:
        assert verify(made).ok


def test_a_log_whose_name_says_no_year_is_read_as_it_is(tmp_path):
    log = Log("audit.example/log")
    log.messages(3)
    where = log.write(tmp_path / "log")
    with serving({2027: where}, 0) as (url, asked), open_source(url) as source:
        assert verify(source).ok
    assert not any("year=" in each for each in asked)
