"""Changes of contracts: proposed, shown, approved or refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "contract_change",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kpi", sa.Text, nullable=False),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=False),
        sa.Column("restated_until", sa.Date),
        sa.Column("keys", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.DateTime, nullable=False),
        sa.Column("proposed_on", sa.Date, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("decided_at", sa.DateTime),
        sa.Column("decided_on", sa.Date),
        sa.Column("decided_by", sa.Text),
        sa.Column("is_approved", sa.Boolean),
        sa.Column("answer", sa.Text),
    )
