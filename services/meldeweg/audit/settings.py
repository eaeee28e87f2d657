"""Settings of the audit service."""

from pathlib import Path

from pydantic import Field

from meldeweg.kernel.settings import KafkaSettings, Settings


class AuditSettings(Settings):
    """Read by `kernel.settings.load`; shown by `meldeweg settings audit`."""

    kafka: KafkaSettings = Field(description="where the broker is and who we are there")
    database: Path = Field(description="file with the libpq URI of this service's PostgreSQL role")
    key: Path = Field(description="file with the private key that signs checkpoints (JWK)")
    former_keys: tuple[Path, ...] = Field(
        default=(),
        description="files with the public keys (JWK) that signed this log before, as long as it "
        "is kept",
    )
    origin: str = Field(
        pattern=r"^[a-z0-9]+([./-][a-z0-9]+)*$",
        max_length=200,
        description="name of the log, as a URL without a scheme; /YEAR is added to it",
    )
    auditors: Path | None = Field(
        default=None,
        description="file with the auditors' tokens: a name, a blank, SHA-256 of the token in hex",
    )
