"""No setting of any service is accepted at the start and fails in use."""

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from pydantic import TypeAdapter, ValidationError

from meldeweg.audit.settings import AuditSettings
from meldeweg.gateway.settings import GatewaySettings
from meldeweg.kernel import bounds
from meldeweg.kernel.clock import from_rfc3339, to_rfc3339
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import _group_of, load, said
from meldeweg.registry.settings import RegistrySettings
from meldeweg.watch.settings import WatchSettings

SERVICES = (GatewaySettings, RegistrySettings, AuditSettings, WatchSettings)
ABSURD = ("1e300", "1e12", str(2**63), str(10**12), "inf", "-1e300", "nan")
NOW = datetime(2026, 11, 28, tzinfo=UTC)
# Whatever has no default, so that a service's settings are whole.
GIVEN = {
    "KAFKA__BOOTSTRAP": "broker-1:9092",
    "AUDIT__URL": "https://audit.example",
    "ORIGIN": "audit.example/log",
    "AGENCY": "polizei-viersen",
    "MODE": "demo",
}


def numbers(cls, above=()):
    """Yield the path and the field of each number, groups unfolded."""
    for name, field in cls.model_fields.items():
        if group := _group_of(field.annotation):
            yield from numbers(group, (*above, name))
        elif field.annotation in (int, float):
            yield (*above, name), field


EACH = [(cls, path) for cls in SERVICES for path, _ in numbers(cls)]


def required(cls, above=()):
    for name, field in cls.model_fields.items():
        if group := _group_of(field.annotation):
            yield from required(group, (*above, name))
        elif field.is_required():
            yield "__".join((*above, name)).upper()


@pytest.fixture
def environment(monkeypatch):
    for name in os.environ:
        if name.startswith("MELDEWEG_"):
            monkeypatch.delenv(name)

    def given(cls, **changes):
        for name in {*required(cls), "MODE"}:
            monkeypatch.setenv(f"MELDEWEG_{name}", GIVEN.get(name, "/somewhere"))
        for name, value in changes.items():
            monkeypatch.setenv(f"MELDEWEG_{name}", value)

    return given


def read(settings, path):
    for name in path:
        settings = getattr(settings, name)
    return settings


def works(path, value):
    """Do with a value what services do; fails as they would."""
    if isinstance(value, int):
        assert value < 2**63  # a number of SQLite, PostgreSQL and JSON readers' 64 bits
        return
    life = timedelta(days=value) if path[-1].endswith("_days") else timedelta(seconds=value)
    for at in (NOW + life, NOW - life):
        to_rfc3339(at)
    assert int(value * 1000) << 20 < 2**63  # as the outbox reckons in SQL
    assert value <= threading.TIMEOUT_MAX


@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize(
    ("cls", "path"), EACH, ids=[f"{cls.__name__}-{'.'.join(path)}" for cls, path in EACH]
)
def test_an_absurd_number_is_refused_by_name_or_works(environment, cls, path, value):
    environment(cls, **{"__".join(path).upper(): value})
    try:
        settings = load(cls)
    except Fatal as fatal:
        refused = fatal
    else:
        works(path, read(settings, path))
        return
    assert refused.code == "setting-invalid"
    assert refused.detail.startswith(f"{said('.'.join(path))}: ")


def greatest(field):
    ends = [getattr(each, name, None) for each in field.metadata for name in ("le", "lt")]
    return min(end for end in ends if end is not None)


@pytest.mark.parametrize("cls", SERVICES)
def test_every_number_has_a_greatest_value_which_works(environment, cls):
    for path, field in numbers(cls):
        works(path, field.annotation(greatest(field)))
    environment(cls)
    load(cls)  # the defaults lie within


def test_the_longest_waits_are_waited_for():
    async def wait():
        for cls, path in EACH:
            field = dict(numbers(cls))[path]
            if field.annotation is float:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(greatest(field)), 0.001)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(wait())


def test_a_time_reckoned_with_the_wrongest_clock_can_still_be_read():
    ends = GatewaySettings.model_fields["clock_offset"].metadata
    first, last = (
        NOW + timedelta(seconds=next(getattr(each, name) for each in ends if hasattr(each, name)))
        for name in ("ge", "le")
    )
    for at in (first, last, last + timedelta(days=100 * 365)):
        assert from_rfc3339(to_rfc3339(at)) == at


@pytest.mark.parametrize(
    "url", ["https://audit.example", "http://127.0.0.1:8080/", "https://[::1]:443"]
)
def test_the_address_of_a_service_is_taken_as_it_is(url):
    assert TypeAdapter(bounds.Url).validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "audit.example",
        "ftp://audit.example",
        "https://",
        "https://audit.example/path",
        "https://audit.example?x",
        "https://user@audit.example",
        "https://audit.example:b",
        "https://audit.example:0",
        "https://audit.example:99999",
        "http://[::1",
        "http://a b",
    ],
)
def test_what_is_no_address_of_a_service_is_refused(environment, url):
    environment(GatewaySettings, AUDIT__URL=url)
    with pytest.raises(Fatal) as fatal:
        load(GatewaySettings)
    assert fatal.value.code == "setting-invalid"
    assert fatal.value.detail.startswith("audit.url (MELDEWEG_AUDIT__URL): expected http(s)://")


ADDRESSES = TypeAdapter(bounds.Addresses)


@pytest.mark.parametrize(
    "text",
    [
        "localhost:9092",
        "127.0.0.1:1",
        "[::1]:65535",
        "broker-1.kreis.example:9093,broker_2:9093",
        "kafka.example:09092",
    ],
)
def test_addresses_of_brokers_are_taken_as_they_are(text):
    assert ADDRESSES.validate_python(text) == text


def test_blanks_around_a_comma_are_no_part_of_an_address():
    assert ADDRESSES.validate_python("a:1, b:2 ") == "a:1,b:2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "localhost:65536",
        "localhost:-1",
        "localhost:9092,",
        "localhost:9092;other:9092",
        "ssl://localhost:9092",
        "MTLS://localhost:9092",
        "a b:9092",
        "localhost:9092/path",
        "localhost:٩٠٩٢",
        "::1:9092",
        "user@localhost:9092",
        "a\0:1",
    ],
)
def test_what_is_no_address_of_a_broker_is_refused(environment, text):
    with pytest.raises(ValidationError):
        ADDRESSES.validate_python(text)
    if "\0" in text:
        return  # no environment can have it
    environment(WatchSettings, KAFKA__BOOTSTRAP=text)
    with pytest.raises(Fatal) as fatal:
        load(WatchSettings)
    assert fatal.value.code == "setting-invalid"
    assert fatal.value.detail.startswith(
        "kafka.bootstrap (MELDEWEG_KAFKA__BOOTSTRAP): expected host:port"
    )
