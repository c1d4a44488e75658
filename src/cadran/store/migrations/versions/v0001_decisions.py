"""Decisions, and what they were measured to have changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("decided_on", sa.Date, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kpi", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("predicates", sa.JSON, nullable=False),
        sa.Column("control", sa.JSON, nullable=False),
        sa.Column("before_start", sa.Date, nullable=False),
        sa.Column("before_end", sa.Date, nullable=False),
        sa.Column("after_start", sa.Date, nullable=False),
        sa.Column("after_end", sa.Date, nullable=False),
        sa.Column("expected", sa.Text, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("reading", sa.JSON, nullable=False),
    )
    op.create_table(
        "effect",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("decision_id", sa.Integer, sa.ForeignKey("decision.id"), nullable=False, index=True),
        sa.Column("measured_at", sa.DateTime, nullable=False),
        sa.Column("known_at", sa.DateTime, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
    )
