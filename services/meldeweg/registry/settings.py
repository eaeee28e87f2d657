"""Settings of the registry."""

from pathlib import Path

from pydantic import Field

from meldeweg.kernel.bounds import Pause
from meldeweg.kernel.settings import KafkaSettings, Settings


class RegistrySettings(Settings):
    """`meldeweg settings registry` shows them."""

    kafka: KafkaSettings = Field(description="the broker, as service-registry")
    database: Path = Field(description="file with the PostgreSQL connection string")
    anchor: Path = Field(description="public JWK of the trust anchor")
    signing_key: Path = Field(description="private JWK that signs snapshots and the brake")
    operator_token: Path = Field(description="file with the operators' bearer token")
    replication: int = Field(default=3, ge=1, le=7, description="replicas of each topic")
    reconcile_seconds: Pause = Field(
        default=5.0, description="how often topics and ACLs are compared with the agreements"
    )
    snapshot_seconds: Pause = Field(default=60.0, description="how often a snapshot is signed")
