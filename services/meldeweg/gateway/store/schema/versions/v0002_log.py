"""What a gateway knows of the audit log, and what of its own it has not found in there yet.

Released migrations are immutable: a change is a new one.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STEPS = """
ALTER TABLE outbox ADD COLUMN appended INTEGER;   -- broker's time of the last production, ms
ALTER TABLE outbox ADD COLUMN waits_since TEXT;   -- since when it should come into the log

-- What was produced before is looked for as well; what was given up unproduced never arrives.
UPDATE outbox SET waits_since = produced_at, appended = 0
  WHERE produced_at IS NOT NULL AND topic_offset IS NOT NULL;
DELETE FROM outbox WHERE settled_at IS NOT NULL AND (topic_offset IS NULL OR value IS NULL);

CREATE INDEX outbox_unlogged ON outbox (waits_since)
  WHERE included_at IS NULL AND waits_since IS NOT NULL;

CREATE TABLE arrived (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  topic_id BLOB NOT NULL,
  first INTEGER NOT NULL,    -- offset of the first; the others follow without a gap
  hashes BLOB NOT NULL,      -- RFC 6962 leaf hashes, 32 bytes each
  at TEXT NOT NULL
) STRICT;
CREATE INDEX arrived_place ON arrived (topic, first);

CREATE TABLE log_chain (
  origin TEXT PRIMARY KEY,   -- one log for each year
  number INTEGER NOT NULL,   -- of the newest manifest
  digest BLOB NOT NULL,      -- of its text
  note BLOB NOT NULL,
  heard_at INTEGER NOT NULL, -- broker's time of the newest checkpoint, ms
  alive_since INTEGER NOT NULL, -- from when on checkpoints came without a pause, ms
  told TEXT                  -- when a contradiction of this log was told
) STRICT, WITHOUT ROWID;

CREATE TABLE log_range (
  origin TEXT NOT NULL,
  first INTEGER NOT NULL,    -- index in the log
  topic TEXT NOT NULL,
  topic_id BLOB NOT NULL,
  start INTEGER NOT NULL,    -- offsets, `stop` exclusive
  stop INTEGER NOT NULL,
  seen_at TEXT NOT NULL,
  PRIMARY KEY (origin, first, topic_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_range_place ON log_range (topic, topic_id, stop);

CREATE TABLE log_seen (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- signed, and not yet proven to fit the others
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  note BLOB NOT NULL,
  at INTEGER NOT NULL,
  alive_since INTEGER NOT NULL,
  UNIQUE (origin, size, root)
) STRICT;

CREATE TABLE log_head (
  origin TEXT PRIMARY KEY,   -- the largest that is proven to extend all that were seen before
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  note BLOB NOT NULL,
  at INTEGER NOT NULL,
  alive_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE log_evidence (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  code TEXT NOT NULL,
  origin TEXT NOT NULL,
  known BLOB,                -- two signed notes that can't both be true
  seen BLOB NOT NULL
) STRICT;

CREATE TABLE log_alarm (topic TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


def upgrade() -> None:
    # Split after the comments are gone: one of them could hold a semicolon.
    bare = "\n".join(line.partition("--")[0] for line in _STEPS.splitlines())
    for statement in filter(str.strip, bare.split(";")):
        op.execute(statement)
