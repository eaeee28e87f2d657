"""Settings of a gateway: `MELDEWEG_…` and TOML, as `meldeweg settings gateway` shows them.

The defaults are those of the architecture's table; tests shorten the times.
"""

from pathlib import Path

from pydantic import Field

from meldeweg.kernel.bounds import Bytes, Count, Days, Patience, Pause, Seconds, Url
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import Group, KafkaSettings, Settings

_MIB = 1024 * 1024
_HOUR = 3600.0


class OutboxSettings(Group):
    """What may wait for the broker, and when it is produced again."""

    bytes_max: Bytes = Field(
        default=1024 * _MIB, description="bytes of undelivered messages; beyond it 503"
    )
    free_min: float = Field(
        default=0.1, ge=0, lt=1, description="part of the disk that intake leaves free; else 503"
    )
    again_first: Seconds = Field(
        default=600.0, description="seconds without `delivered` until it is produced again"
    )
    again_longest: Seconds = Field(
        default=6 * _HOUR, description="seconds to which that wait doubles at most"
    )
    receipts_again: Seconds = Field(
        default=20 * 24 * _HOUR,
        description="seconds after which what a person said of a message is produced again, before "
        "its topic forgets it",
    )
    backoff_longest: Pause = Field(
        default=15.0, description="seconds between tries of a topic that fails, at most"
    )
    look_every: Pause = Field(
        default=5.0, description="seconds between looks for what is late or over"
    )


class ParkingSettings(Group):
    """How long a record that may only be early is tried again."""

    immediate: Seconds = Field(default=900.0, description="seconds for an immediate message")
    others: Seconds = Field(default=24 * _HOUR, description="seconds for everything else")
    look_every: Pause = Field(default=15.0, description="seconds between tries")
    records_max: Count = Field(default=10_000, description="parked records of one sender")
    bytes_max: Bytes = Field(default=256 * _MIB, description="parked bytes of one sender")


class WatchSettings(Group):
    """When people are told."""

    heartbeat: Pause = Field(default=60.0, description="seconds between heartbeats")
    snapshot_stale: Seconds = Field(
        default=300.0, description="age in seconds of a registry snapshot that is a warning"
    )
    silent_immediate: Seconds = Field(
        default=120.0, description="seconds without `delivered` that alarm, if immediate"
    )
    clock_differs: Seconds = Field(
        default=300.0, description="difference of clocks in seconds that is a warning"
    )
    look_every: Pause = Field(default=2.0, description="seconds between looks at deadlines")


class LogSettings(Group):
    """Where the audit log is served, and how this gateway looks for its own records in it."""

    url: Url = Field(description="address of the audit service, for its tiles")
    ca: Path | None = Field(
        default=None, description="file with the CA certificates of that address; else the system's"
    )
    timeout: Patience = Field(default=5.0, description="seconds for the service to say something")
    run_max: Pause = Field(default=30.0, description="seconds for all tiles of one look")
    look_every: Pause = Field(default=5.0, description="seconds between looks into the log")
    missing_after: Seconds = Field(
        default=24 * _HOUR, description="seconds after which a record not in the log alarms"
    )


class GatewaySettings(Settings):
    """A gateway: one agency, one store, one active instance."""

    agency: AgencyId = Field(description="id of the agency, as enrolled")
    store: Path = Field(description="directory of the store, on a local disk, for us alone")
    keys: Path = Field(description="directory with our online keys and their certificates")
    anchor: Path = Field(description="file with the trust anchor's public key (JWK)")
    vault_key: Path | None = Field(
        default=None, description="file with the vault's key; made at the first start; beside store"
    )
    kafka: KafkaSettings = Field(description="where the broker is")
    audit: LogSettings = Field(description="where the audit log is, and how it is checked")
    outbox: OutboxSettings = Field(default=OutboxSettings(), description="what waits for delivery")
    parking: ParkingSettings = Field(default=ParkingSettings(), description="what came too early")
    watch: WatchSettings = Field(default=WatchSettings(), description="when people are told")
    idempotency_days: Days = Field(default=7.0, description="how long a key is remembered")
    quarantine_days: Days = Field(
        default=30.0,
        description="how long a quarantined record is kept whose sender signed no `delete_after`",
    )
    keys_look_every: Pause = Field(default=5.0, description="seconds between looks for new keys")

    def vault_path(self) -> Path:
        """Return where the vault's key is; by default outside what a copy of the store takes."""
        return self.vault_key or self.store.parent / f"{self.store.name}.vault-key"
