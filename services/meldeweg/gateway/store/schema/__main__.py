"""`python -m meldeweg.gateway.store.schema PATH`: bring the store at PATH to HEAD.

Trusts: the caller holds the store's lock.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(path: Path, revision: str = "head") -> None:
    """Run what is missing, in one transaction; what fails leaves the store as it was."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, revision)


if __name__ == "__main__":
    migrate(Path(sys.argv[1]))
