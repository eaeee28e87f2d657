"""A record that comes again is one entry of the quarantine: how often it came, where and when last.

A partner produces a receipt again until its end; each time another entry would fill the list.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CHANGES = """
ALTER TABLE quarantine ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE quarantine ADD COLUMN last_at TEXT;
ALTER TABLE quarantine ADD COLUMN last_offset INTEGER;
CREATE INDEX quarantine_record ON quarantine (digest, topic, code)
"""


def upgrade() -> None:
    for statement in _CHANGES.split(";"):
        op.execute(statement)
