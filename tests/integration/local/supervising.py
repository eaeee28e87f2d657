"""A supervisor that ends with its test, what it said, and whether a process lives."""

import json

import psutil

from meldeweg.local.keeper import Keeper
from meldeweg.local.output import log_path
from meldeweg.local.supervisor import Supervisor


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Running:
    """A supervisor that a failing test does not leave behind."""

    def __init__(self, directory, **options):
        self.changes = 0
        self.keeper = Keeper(grace=2.0)
        self.supervisor = Supervisor(directory, self.keeper, changed=self.note, **options)

    def note(self):
        self.changes += 1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.supervisor.stop()


def events(directory, name="supervisor"):
    return [
        json.loads(line) for line in log_path(directory / "logs", name).read_text().splitlines()
    ]
