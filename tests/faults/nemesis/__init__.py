"""The nemesis: every fault that the campaign injects, one module per family, and their grounds."""

from collections.abc import Mapping, Sequence

from faults.fault import Fault, Ground
from faults.nemesis import (
    brokers,
    clocks,
    disks,
    flood,
    frozen,
    killed,
    restored,
    retention,
    rights,
    rolling,
    trust,
    wires,
)
from faults.nemesis.disks import Rooms
from faults.nemesis.proxy import Proxy

# What cannot be undone comes last.
FAULTS: Sequence[Fault] = (
    *killed.FAULTS,
    *frozen.FAULTS,
    *wires.FAULTS,
    *clocks.FAULTS,
    *disks.FAULTS,
    *rights.FAULTS,
    *rolling.FAULTS,
    *retention.FAULTS,
    *flood.FAULTS,
    *restored.FAULTS,
    *brokers.FAULTS,
    *trust.FAULTS,
)
GROUNDS: Mapping[str, type[Ground]] = {"proxy": Proxy, "tmpfs": Rooms}
