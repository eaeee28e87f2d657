"""The proxy's view of Kafka: frames cut right wherever the stream is cut, and brokers renamed."""

import struct

import pytest

from faults.nemesis.frames import (
    FETCH,
    METADATA,
    PRODUCE,
    Exchange,
    Frames,
    NoKafka,
    redirected,
)


def frame(body):
    return struct.pack(">i", len(body)) + body


def request(api, correlation, rest=b""):
    return frame(struct.pack(">hhi", api, 9, correlation) + rest)


def reply(correlation, rest=b""):
    return frame(struct.pack(">i", correlation) + rest)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_frames_come_out_whole_however_the_stream_is_cut(step):
    sent = [reply(1), request(PRODUCE, 2, b"x" * 300), reply(3, b"\0" * 7)]
    stream, frames = b"".join(sent), Frames()
    cut = [stream[n : n + step] for n in range(0, len(stream), step)]
    assert [found for chunk in cut for found in frames.feed(chunk)] == sent


def test_what_is_not_whole_yet_is_kept_back():
    frames = Frames()
    assert list(frames.feed(request(PRODUCE, 1)[:-1])) == []
    assert list(frames.feed(request(PRODUCE, 1)[-1:])) == [request(PRODUCE, 1)]


@pytest.mark.parametrize("length", [-1, 0, 3, 2**31 - 1])
def test_a_length_that_no_frame_has_is_refused(length):
    with pytest.raises(NoKafka):
        list(Frames().feed(struct.pack(">i", length) + b"GET / HTTP/1.1"))


def test_a_reply_belongs_to_the_request_with_its_correlation_id():
    exchange = Exchange()
    assert exchange.asked(request(PRODUCE, 7)) == PRODUCE
    assert exchange.asked(request(FETCH, 8)) == FETCH
    assert exchange.answered(reply(8)) == FETCH
    assert exchange.answered(reply(7)) == PRODUCE


def test_a_reply_that_nobody_asked_for_is_refused():
    exchange = Exchange()
    exchange.asked(request(PRODUCE, 7))
    exchange.answered(reply(7))
    with pytest.raises(NoKafka):
        exchange.answered(reply(7))
    with pytest.raises(NoKafka):
        exchange.asked(frame(b"\0\0\0\0"))


def named(*ports):
    return b"".join(b"\x0a127.0.0.1" + struct.pack(">i", port) + b"\0" for port in ports)


def test_brokers_are_named_by_the_proxys_ports_and_the_length_stays():
    ports = {19092: 20001, 19093: 20002}
    before = reply(1, named(19092, 19093, 19094))
    after = redirected(before, METADATA, "127.0.0.1", ports)
    assert after == reply(1, named(20001, 20002, 19094))


def test_what_names_no_broker_passes_untouched():
    before = reply(1, named(19092))
    assert redirected(before, FETCH, "127.0.0.1", {19092: 20001}) == before
