"""The judge in `interop/sumdb`: the Go checksum database's own code."""

import pytest

from interop.judging import judging


@pytest.fixture(scope="module")
def judge():
    yield from judging("sumdb")
