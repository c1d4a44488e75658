"""Targets locked for a campaign before it starts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "target_lock",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("kpi", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("start", sa.Date, nullable=False),
        sa.Column("end", sa.Date, nullable=False),
        sa.Column("locked_at", sa.DateTime, nullable=False),
        sa.Column("locked_on", sa.Date, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
    )
