"""One whole export for this directory, and a copy of it for each test that changes one."""

import shutil

import pytest

from unit.audit.offline import sample


@pytest.fixture(scope="package")
def whole(tmp_path_factory):
    return sample().write(tmp_path_factory.mktemp("whole"), every=97)


@pytest.fixture
def out(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "log")
