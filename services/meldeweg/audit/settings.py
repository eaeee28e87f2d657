"""Settings of the audit service."""

from pathlib import Path

from pydantic import Field

from meldeweg.kernel.settings import KafkaSettings, Settings


class AuditSettings(Settings):
    """Read by `kernel.settings.load`; shown by `meldeweg settings audit`."""

    kafka: KafkaSettings = Field(description="where the broker is and who we are there")
    database: Path = Field(description="file with the libpq URI of this service's PostgreSQL role")
    key: Path = Field(description="file with the private key that signs checkpoints (JWK)")
    origin: str = Field(
        pattern=r"^[a-z0-9]+([./-][a-z0-9]+)*$",
        max_length=200,
        description="name of the log, as a URL without a scheme; /YEAR is added to it",
    )
    auditors: Path | None = Field(
        default=None,
        description="file with the auditors' tokens: a name, a blank, SHA-256 of the token in hex",
    )
