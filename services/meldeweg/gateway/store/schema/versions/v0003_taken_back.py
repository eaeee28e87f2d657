"""What a sender took back is marked; what is quarantined is erased on schedule."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# `retracted_by`: the id of the retraction. `delete_after`: of a verified statement, else NULL.
_CHANGES = """
ALTER TABLE received ADD COLUMN retracted_at TEXT;
ALTER TABLE received ADD COLUMN retracted_by TEXT;
ALTER TABLE quarantine ADD COLUMN delete_after TEXT;
ALTER TABLE quarantine ADD COLUMN erased_at TEXT;
CREATE INDEX quarantine_kept ON quarantine (at) WHERE erased_at IS NULL AND delete_after IS NULL;
CREATE INDEX quarantine_delete ON quarantine (delete_after)
  WHERE erased_at IS NULL AND delete_after IS NOT NULL
"""


def upgrade() -> None:
    for statement in _CHANGES.split(";"):
        op.execute(statement)
