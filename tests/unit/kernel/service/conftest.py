"""Processes that end with their test."""

import pytest

from unit.kernel.service.process import Process


@pytest.fixture
def service(tmp_path):
    running = []

    def start(body, **env):
        running.append(Process(tmp_path, body, **env))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()
