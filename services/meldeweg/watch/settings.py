"""Settings of watch."""

from pathlib import Path

from pydantic import Field

from meldeweg.kernel.bounds import Pause, Seconds
from meldeweg.kernel.settings import KafkaSettings, Settings


class WatchSettings(Settings):
    """`meldeweg settings watch` shows them."""

    kafka: KafkaSettings = Field(description="the broker, as service-watch")
    anchor: Path = Field(description="public JWK of the trust anchor")
    operator_token: Path = Field(description="file with the operators' bearer token")
    refresh_seconds: Pause = Field(
        default=2.0, description="how often the metrics of age are computed"
    )
    silent_after_seconds: Seconds = Field(
        default=180.0,
        description="how long after its last heartbeat a gateway counts as silent: three of them",
    )
