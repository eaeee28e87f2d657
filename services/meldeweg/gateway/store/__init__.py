"""The gateway's store; see `database` for what it guarantees, `schema` for its tables."""

from meldeweg.gateway.store.database import Store
from meldeweg.gateway.store.writer import Job, Writer

__all__ = ["Job", "Store", "Writer"]
