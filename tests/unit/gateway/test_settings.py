"""What a gateway does where nobody says otherwise: the architecture's table of defaults."""

import pytest

from meldeweg.gateway.settings import (
    GatewaySettings,
    LogSettings,
    OutboxSettings,
    ParkingSettings,
    WatchSettings,
)
from meldeweg.kernel import topics

MINUTE, HOUR, DAY = 60, 3600, 86400
MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (OutboxSettings, "bytes_max", GIB),
        (OutboxSettings, "free_min", 0.1),
        (OutboxSettings, "again_first", 10 * MINUTE),
        (OutboxSettings, "again_longest", 6 * HOUR),
        (ParkingSettings, "immediate", 15 * MINUTE),
        (ParkingSettings, "others", 24 * HOUR),
        (WatchSettings, "heartbeat", 60),
        (WatchSettings, "snapshot_stale", 5 * MINUTE),
        (WatchSettings, "clock_differs", 5 * MINUTE),
        (LogSettings, "missing_after", 24 * HOUR),
        (GatewaySettings, "idempotency_days", 7),
        (GatewaySettings, "quarantine_days", 30),
    ],
)
def test_defaults_are_the_architectures(group, name, value):
    assert group.model_fields[name].default == value


def test_what_a_person_said_goes_again_before_its_topic_forgets_it():
    kept = topics.described("inbox.a.b").config["retention.ms"]
    assert int(kept) == 30 * DAY * 1000
    again = OutboxSettings.model_fields["receipts_again"].default
    assert again * 1000 < int(kept) - 7 * DAY * 1000


def test_a_body_is_half_of_what_a_record_may_be():
    assert topics.RECORD_MAX == 2 * MIB
