"""Who is expected in a bot's newest lobby outlives the process."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give bots the column."""
    op.add_column("bots", sa.Column("expected", sa.Text(), nullable=True))
