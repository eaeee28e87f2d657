"""Java's class archive for the brokers of the tests, of which one run starts very many."""

from meldeweg.local.archive import make_archive
from meldeweg.local.broker import Broker
from meldeweg.local.jars import broker_jars


def archived(directory):
    """Make it where there is none, with a broker in `directory`; return where it lies."""
    return make_archive(broker_jars(), Broker(directory).prepare())
