from functools import cache

import pytest

from meldeweg.ceremony import district
from meldeweg.ceremony.district import Places
from meldeweg.kernel import keyfile, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.clock import FixedClock, from_rfc3339
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.submit import topic_of

NOW = from_rfc3339("2026-11-22T18:00:00.000Z")


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """All keys and signed objects of Kreis Viersen, made by the ceremony."""
    found = Places(tmp_path_factory.mktemp("district"))
    district.prepare(found, load_district("kreis-viersen"), FixedClock(NOW))
    return found


@cache
def _read(places):
    filled = Register(keyfile.read_public_key(places.anchor))
    for directory in sorted((places.root / "keys").iterdir()):
        for token in sorted(directory.glob("*.jws")) if directory.is_dir() else ():
            filled.apply(topics.keys(AgencyId(directory.name)), token.read_bytes().strip())
    for path in sorted(places.issued().iterdir(), reverse=True):
        value = path.read_bytes()
        filled.apply(topic_of(value), value)
    return filled


@pytest.fixture
def register(places):
    """A register that has read everything, keys before the enrolments they need: a copy of the one
    that is read once.
    """
    return _read(places).trial()
