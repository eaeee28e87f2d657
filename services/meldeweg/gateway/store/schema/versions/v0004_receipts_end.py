"""A receipt in the outbox has an end: until then it goes again, and then it is erased."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# `open_until` of a receipt is its own `delete_after`. Of one that is here already that is not known
# (its statement says it): three years, longer than any message is kept in either district.
_CHANGES = """
UPDATE outbox SET open_until = strftime('%Y-%m-%dT%H:%M:%S.000Z', accepted_at, '+3 years')
  WHERE kind = 'receipt' AND open_until IS NULL;
CREATE INDEX outbox_receipts_end ON outbox (open_until) WHERE kind = 'receipt'
"""


def upgrade() -> None:
    for statement in _CHANGES.split(";"):
        op.execute(statement)
