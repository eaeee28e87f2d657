"""One whole district for this directory; what ends it, or cannot be undone, comes last."""

from pathlib import Path

import pytest

from e2e.stage import District
from javas import archived

_HERE = Path(__file__).parent
_LAST = ("test_goes_on", "test_nothing_readable", "test_revoked")


def pytest_collection_modifyitems(items):
    """Order the files of this directory: those of `_LAST` at the end, the rest as they come."""
    mine = [n for n, item in enumerate(items) if item.path.parent == _HERE]
    names = {name: n for n, name in enumerate(_LAST)}
    ordered = sorted((items[n] for n in mine), key=lambda item: names.get(item.path.stem, -1))
    for n, item in zip(mine, ordered, strict=True):
        item.add_marker(pytest.mark.stack)
        items[n] = item


@pytest.fixture(scope="package")  # it ends with the last file here, and costs the others nothing
def district(tmp_path_factory):
    archived(tmp_path_factory.mktemp("java"))  # as the jars: once, and no part of a start's time
    running = District(tmp_path_factory.mktemp("district"))
    running.start()
    try:
        yield running
    finally:
        running.stop()
