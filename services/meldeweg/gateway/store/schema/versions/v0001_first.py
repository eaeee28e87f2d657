"""The first schema. Released migrations are immutable: a change is a new one."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Times are RFC 3339 text as `kernel.clock` writes it: it sorts as it counts. Headers are the exact
# bytes of the record (`store.headers`). What is marked `vault` is AES-256-GCM under a local key.
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE sent (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kennzeichen TEXT NOT NULL,
  recipient TEXT NOT NULL,
  type TEXT NOT NULL,
  urgency TEXT NOT NULL,
  created TEXT NOT NULL,
  ack_by TEXT NOT NULL,
  exercise INTEGER NOT NULL,
  digest TEXT NOT NULL UNIQUE,
  agreement TEXT NOT NULL,
  state TEXT NOT NULL,
  state_at TEXT NOT NULL,
  delete_after TEXT NOT NULL,
  thread BLOB,      -- vault: it may be a file number
  in_reply_to TEXT,
  linked_to TEXT,
  answer BLOB,      -- vault: the 201 answer, with clause and legal basis
  actor_ref TEXT NOT NULL,
  actor BLOB,       -- vault: the acting person
  overdue_at TEXT,
  alarmed_at TEXT
) STRICT;
CREATE INDEX sent_kennzeichen ON sent (kennzeichen);
CREATE INDEX sent_waiting ON sent (ack_by)
  WHERE overdue_at IS NULL AND state IN ('queued', 'sent', 'delivered');
CREATE INDEX sent_urgent ON sent (created)
  WHERE urgency = 'immediate' AND alarmed_at IS NULL AND state IN ('queued', 'sent', 'overdue');
CREATE INDEX sent_delete ON sent (delete_after) WHERE answer IS NOT NULL;

CREATE TABLE sent_timeline (
  sent INTEGER NOT NULL,
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at TEXT NOT NULL,
  code TEXT,
  PRIMARY KEY (sent, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  recipient TEXT,
  key BLOB,
  headers BLOB NOT NULL,
  value BLOB,
  size INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('message', 'receipt', 'event')),
  ref TEXT,          -- the record's own message digest
  answers TEXT,      -- a receipt: the digest that it answers
  receipt TEXT,      -- a receipt: its kind
  urgency TEXT,
  open_until TEXT,   -- a message: until when the recipient's key opens it
  accepted_at TEXT NOT NULL,
  produced_at TEXT,
  topic_offset INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at TEXT,      -- when it is produced again
  settled_at TEXT,   -- delivered, refused or undeliverable: no longer produced again
  included_at TEXT   -- seen in the audit log with these bytes
) STRICT;
CREATE INDEX outbox_unproduced ON outbox (seq) WHERE produced_at IS NULL;
CREATE INDEX outbox_again ON outbox (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX outbox_waiting ON outbox (size) WHERE settled_at IS NULL AND kind = 'message';
CREATE INDEX outbox_ref ON outbox (ref) WHERE ref IS NOT NULL;
CREATE INDEX outbox_answers ON outbox (answers) WHERE answers IS NOT NULL;
CREATE INDEX outbox_place ON outbox (topic, topic_offset) WHERE included_at IS NULL;

CREATE TABLE idempotency (
  key BLOB PRIMARY KEY,   -- keyed hash: a key may be a case number
  body BLOB NOT NULL,     -- keyed hash of the body
  message TEXT NOT NULL,
  created TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created);

CREATE TABLE seen (
  sender TEXT NOT NULL,
  id TEXT NOT NULL,
  digest TEXT NOT NULL,
  delete_after TEXT NOT NULL,
  PRIMARY KEY (sender, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_delete ON seen (delete_after);

CREATE TABLE received (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of arrival, and the cursor of the inbox
  id TEXT NOT NULL,
  sender TEXT NOT NULL,
  digest TEXT NOT NULL UNIQUE,
  kennzeichen TEXT NOT NULL,
  urgency TEXT NOT NULL,
  created TEXT NOT NULL,
  received_at TEXT NOT NULL,
  ack_by TEXT NOT NULL,
  exercise INTEGER NOT NULL,
  agreement TEXT NOT NULL,
  topic TEXT NOT NULL,
  topic_offset INTEGER NOT NULL,
  statement BLOB NOT NULL,
  value BLOB,               -- sealed as received; NULL once erased
  state TEXT NOT NULL,
  state_at TEXT NOT NULL,
  delete_after TEXT NOT NULL,
  overdue_at TEXT,
  UNIQUE (sender, id)
) STRICT;
CREATE INDEX received_id ON received (id);
CREATE INDEX received_waiting ON received (ack_by)
  WHERE overdue_at IS NULL AND state IN ('received', 'opened');
CREATE INDEX received_delete ON received (delete_after) WHERE value IS NOT NULL;

CREATE TABLE received_timeline (
  received INTEGER NOT NULL,
  n INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at TEXT NOT NULL,
  code TEXT,
  PRIMARY KEY (received, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE opened (
  received INTEGER NOT NULL,
  actor_ref TEXT NOT NULL,
  person BLOB,       -- vault
  at TEXT NOT NULL,
  PRIMARY KEY (received, actor_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt_in (
  sender TEXT NOT NULL,
  id TEXT NOT NULL,
  sent INTEGER NOT NULL,
  kind TEXT NOT NULL,
  at TEXT NOT NULL,
  statement BLOB NOT NULL,
  value BLOB,        -- sealed as received: by whom, and why
  PRIMARY KEY (sender, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_in_sent ON receipt_in (sent);

CREATE TABLE receipt_out (
  received INTEGER NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  at TEXT NOT NULL,
  code TEXT,
  said BLOB,         -- vault: by whom, and why
  PRIMARY KEY (received, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE offsets (
  topic TEXT PRIMARY KEY, topic_id TEXT NOT NULL, next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE trust_records (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  digest TEXT NOT NULL,
  value BLOB NOT NULL,
  UNIQUE (topic, digest)
) STRICT;

CREATE TABLE parked (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  until TEXT,        -- NULL: as long as its sender is suspended
  topic TEXT NOT NULL,
  topic_offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  code TEXT NOT NULL,
  sender TEXT NOT NULL,
  urgency TEXT,
  verified INTEGER NOT NULL,
  key BLOB,
  headers BLOB NOT NULL,
  value BLOB,
  digest TEXT
) STRICT;
CREATE INDEX parked_until ON parked (until) WHERE until IS NOT NULL;
CREATE INDEX parked_sender ON parked (sender);

CREATE TABLE quarantine (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  topic TEXT NOT NULL,
  topic_offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  code TEXT NOT NULL,
  sender TEXT NOT NULL,
  verified INTEGER NOT NULL,
  urgency TEXT,
  key BLOB,
  headers BLOB NOT NULL,
  value BLOB,
  digest TEXT,       -- of key, headers and value: the record itself
  UNIQUE (topic, topic_offset, digest)
) STRICT;
CREATE INDEX quarantine_code ON quarantine (code);
CREATE INDEX quarantine_sender ON quarantine (sender);

CREATE TABLE tokens (
  name TEXT PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created TEXT NOT NULL,
  revoked_at TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE received_seq (
  sender TEXT PRIMARY KEY, outbox TEXT NOT NULL, n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sent_seq (
  recipient TEXT PRIMARY KEY, outbox TEXT NOT NULL, n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


def upgrade() -> None:
    # Split after the comments are gone: one of them could hold a semicolon.
    bare = "\n".join(line.partition("--")[0] for line in _TABLES.splitlines())
    for statement in filter(str.strip, bare.split(";")):
        op.execute(statement)
