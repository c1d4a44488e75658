"""Tables of the loop's rhythm: alerts, what happened to them, messages to deliver, runs, and the schedule."""

from __future__ import annotations

import sqlalchemy as sa

#: What the scheduler's library keeps in its table: it makes, reads and writes the columns by these names.
SCHEDULE_NAME = "schedule"


def alert_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table, sa.Table, sa.Table, sa.Table]:
    """The five tables, added to the metadata: alert, alert_event, outbox, run and schedule."""
    alert = sa.Table(
        "alert",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("kpi", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("raised_at", sa.DateTime, nullable=False),
        sa.Column("told_on", sa.Date, nullable=False),
        sa.Column("recovered_at", sa.DateTime),
        sa.Column("quiet_until", sa.Date),
        sa.Column("calm", sa.JSON, nullable=False),
        sa.Column("acknowledged_at", sa.DateTime),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        # the same movement found twice on the same data, by two servers, is one alert
        sa.UniqueConstraint("key", "period_end", name="alert_once"),
    )
    event = sa.Table(
        "alert_event",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alert_id", sa.Integer, sa.ForeignKey("alert.id"), nullable=False, index=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("until", sa.Date),
    )
    outbox = sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dedup_key", sa.Text, nullable=False, unique=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("not_before", sa.DateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("n_unknown", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.DateTime),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("refused_at", sa.DateTime),
        sa.Column("reason", sa.Text, nullable=False),
    )
    run = sa.Table(
        "run",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("slot", sa.DateTime, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("alive_until", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.UniqueConstraint("job", "slot", name="run_once"),
    )
    schedule = sa.Table(
        SCHEDULE_NAME,
        metadata,
        sa.Column("id", sa.Unicode(191), primary_key=True),
        sa.Column("next_run_time", sa.Float(25), index=True),
        sa.Column("job_state", sa.LargeBinary, nullable=False),
    )
    return alert, event, outbox, run, schedule
