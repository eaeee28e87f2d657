"""The bounds below the application, on real sockets."""

import asyncio
import dataclasses
import json
from contextlib import asynccontextmanager

import pytest

from meldeweg.kernel.service import problem
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.service.protocol import BoundedProtocol
from meldeweg.kernel.settings import HttpSettings

SECRET = b"MARKER-4711"


async def echo_size(scope, receive, send):
    """Answer with the number of body bytes, reading all of them unless the path says not to."""
    size, more = 0, scope["path"] != "/deaf"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app=echo_size):
    server = Server(app, HttpSettings())
    task = asyncio.create_task(server.run_until_stopped())
    port = int(server.url.rpartition(":")[2])
    try:
        yield port
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


async def talk(port, *pieces, pause=0.0):
    """Send the pieces and return everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def read_problem(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert SECRET not in answer
    document = json.loads(body)
    assert int(head.split()[1]) == document["status"]
    return document


async def test_an_ordinary_request_is_answered():
    async with serving() as port:
        answer = await talk(
            port,
            b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
        )
    assert answer.endswith(b"\r\n\r\n3")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"NONSENSE " + SECRET + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header " + SECRET + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"
        + SECRET,
    ],
    ids=["no-method", "bad-field", "two-framings"],
)
async def test_what_is_not_http_is_a_problem_and_quotes_nothing(request_bytes):
    async with serving() as port:
        answer = await talk(port, request_bytes)
    assert read_problem(answer)["code"] == "request-malformed"


@pytest.mark.parametrize(
    "fields",
    [
        b"x: " + SECRET * 2000 + b"\r\n\r\n",
        b"x: " + SECRET * 20000,  # never ends
        b"x: y\r\n" * 101 + b"\r\n",
    ],
    ids=["one-large", "endless", "many"],
)
async def test_a_large_head_is_refused(fields):
    async with serving() as port:
        answer = await talk(port, b"GET / HTTP/1.1\r\nhost: a\r\n" + fields)
    assert read_problem(answer)["code"] == "headers-too-large"


async def test_a_long_address_is_refused():
    async with serving() as port:
        answer = await talk(port, b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert read_problem(answer)["code"] == "headers-too-large"


async def test_a_head_that_trickles_is_ended(monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "HEAD_SECONDS", 0.2)
    async with serving() as port:
        answer = await talk(port, b"GET / HTTP/1.1\r\n", b"x: " + SECRET)
    assert read_problem(answer)["code"] == "request-too-slow"


@pytest.mark.parametrize("first", [b"", b"\r\n"], ids=["silence", "blank-lines"])
async def test_a_connection_without_a_request_is_closed(monkeypatch, first):
    monkeypatch.setattr(BoundedProtocol, "HEAD_SECONDS", 0.2)
    async with serving() as port:
        started = asyncio.get_running_loop().time()
        await talk(port, first)
        assert asyncio.get_running_loop().time() - started < 3


async def test_a_body_that_never_ends_holds_nothing(monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "BODY_SECONDS", 0.2)
    async with serving() as port:
        answer = await talk(port, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab")
    assert answer == b""


CHUNKED = b"POST %b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at-once", "later"])
@pytest.mark.parametrize("sizes", [b"", b"3\r\nabc\r\n"], ids=["first", "second"])
async def test_a_body_whose_framing_breaks_is_a_malformed_request(sizes, pause):
    async with serving() as port:
        answer = await talk(port, CHUNKED % b"/" + sizes, SECRET + b"\r\n", pause=pause)
    assert read_problem(answer)["code"] == "request-malformed"
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    "tail",
    [
        b"a: b\r\n" * 110,
        b"a: b\r\n" * 20_000,
        b"x: " + SECRET * 20_000,  # never ends
        b"x" * 40_000,
    ],
    ids=["some", "many", "one-endless", "a-name-endless"],
)
@pytest.mark.parametrize("path", [b"/", b"/deaf"])
async def test_trailers_are_bounded_like_a_head(tail, path):
    async with serving() as port:
        answer = await talk(port, CHUNKED % path, b"1\r\na\r\n0\r\n" + tail, pause=0.1)
    if path == b"/deaf":  # it was answered before its trailers came
        assert answer.count(b"HTTP/1.1 200") == 1
    else:
        assert read_problem(answer)["code"] == "headers-too-large"


async def test_a_few_trailers_and_the_smallest_chunks_are_fine():
    chunks = b"1\r\na\r\n" * 50_000
    ending = b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n"
    close = CHUNKED.replace(b"host", b"connection: close\r\nhost")
    async with serving() as port:
        assert (await talk(port, close % b"/" + chunks + ending)).endswith(b"\r\n\r\n50000")
        pieces = [chunks[at : at + 3000] for at in range(0, len(chunks), 3000)]
        assert (await talk(port, close % b"/", *pieces, ending)).endswith(b"\r\n\r\n50000")


async def test_an_endless_extension_of_a_chunk_is_refused():
    async with serving() as port:
        answer = await talk(port, CHUNKED % b"/", b"1;" + SECRET * 5_000, pause=0.1)
    assert read_problem(answer)["code"] == "headers-too-large"


async def test_what_was_answered_before_its_body_broke_is_not_answered_again():
    async with serving() as port:
        answer = await talk(port, CHUNKED % b"/deaf", SECRET + b"\r\n", pause=0.2)
    assert answer.count(b"\r\n\r\n") == 1
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"])
@pytest.mark.parametrize(
    "request_bytes",
    [
        (CHUNKED % b"/").replace(b"chunked", b"gzip, chunked"),
        (CHUNKED % b"/").replace(b"chunked", b"gzip"),
        (CHUNKED % b"/").replace(b"HTTP/1.1", b"HTTP/1.0"),
        (CHUNKED % b"/").replace(b"chunked", b"chunked\r\ntransfer-encoding: chunked"),
    ],
    ids=["also-gzip", "gzip", "before-it-existed", "twice"],
)
async def test_another_coding_than_chunked_is_a_malformed_request(request_bytes, first):
    async with serving() as port:
        pieces = [first] if first else []
        answer = await talk(port, *pieces, request_bytes + b"1\r\na\r\n0\r\n\r\n", pause=0.1)
    answer = answer[answer.index(b"HTTP/1.1 400") :]
    assert read_problem(answer)["code"] == "request-malformed"


async def test_no_answer_goes_into_another():
    """One that has begun, and that of a request before the broken one."""
    halt = asyncio.Event()

    async def begins(scope, receive, send):
        headers = [(b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await halt.wait()

    async def waits(scope, receive, send):
        await halt.wait()

    get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    async with serving(begins) as port:
        answer = await talk(port, CHUNKED % b"/", SECRET + b"\r\n", pause=0.1)
        assert answer.endswith(b"\r\n\r\nbegun")
    async with serving(waits) as port:
        assert await talk(port, get + CHUNKED % b"/" + SECRET + b"\r\n") == b""
        assert await talk(port, get, b"NONSENSE\r\n\r\n", pause=0.1) == b""
        halt.set()


async def test_an_answer_before_the_end_of_the_body_reaches_a_client_that_still_sends():
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        size = 4 * 1024 * 1024
        writer.write(b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
        writer.write(b"x" * size)
        await asyncio.wait_for(writer.drain(), 5)
        # The rest is discarded and the connection still serves.
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).count(b"HTTP/1.1 200") == 1
        writer.close()


async def test_connections_beyond_the_bound_are_told_so(monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "CONNECTIONS", 1)
    async with serving() as port:
        _, held = await asyncio.open_connection("127.0.0.1", port)
        answer = await talk(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        held.close()
    assert read_problem(answer)["code"] == "overloaded"


async def test_bounds_start_anew_with_each_request_of_a_connection():
    one = b"POST / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 9000 + b"\r\ncontent-length: 3\r\n\r\nabc"
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(one)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"3"
        writer.close()


def test_every_basic_problem_is_told_in_both_languages():
    for found in problem.BASICS:
        assert "" not in dataclasses.astuple(found)
    assert len({found.code for found in problem.BASICS}) == len(problem.BASICS)
