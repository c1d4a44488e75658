"""The application database: what people decided, reviewed and promised; tables, migrations, transactions.

SQLite in ``.cadran/state.db`` by default; a schema of PostgreSQL where ``[state] url`` names one, for
teams that share it. It never holds figures of its own: readings are kept as the JSON that was shown.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from cadran.errors import NotSupported, StoreError
from cadran.store.alert_tables import alert_tables
from cadran.store.settings import STATE_FILE, state_password, state_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.config import Project

#: Revision of the tables below; the newest migration has it.
HEAD = "0005"
_MIGRATIONS = Path(__file__).parent / "migrations"
#: Seconds that a writer waits for another one.
_PATIENCE = 30

METADATA = sa.MetaData()
DECISION = sa.Table(
    "decision",
    METADATA,
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
    # decimal digits: SQLite would make a float of a number
    sa.Column("expected", sa.Text, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("reading", sa.JSON, nullable=False),
)
EFFECT = sa.Table(
    "effect",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("decision_id", sa.Integer, sa.ForeignKey("decision.id"), nullable=False, index=True),
    sa.Column("measured_at", sa.DateTime, nullable=False),
    sa.Column("known_at", sa.DateTime, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
)
REVIEW = sa.Table(
    "review",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("start", sa.Date, nullable=False),
    sa.Column("end", sa.Date, nullable=False),
    sa.Column("prepared_at", sa.DateTime, nullable=False),
    sa.Column("known_at", sa.DateTime, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
)
ITEM = sa.Table(
    "item",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("review_id", sa.Integer, sa.ForeignKey("review.id"), nullable=False, index=True),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("kpi", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("closed_at", sa.DateTime),
    sa.Column("no_action_reason", sa.Text),
)
ACTION = sa.Table(
    "action",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("item_id", sa.Integer, sa.ForeignKey("item.id"), nullable=False, index=True),
    sa.Column("kpi", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("done_at", sa.DateTime),
)
TARGET_LOCK = sa.Table(
    "target_lock",
    METADATA,
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
CONTRACT_CHANGE = sa.Table(
    "contract_change",
    METADATA,
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

ALERT, ALERT_EVENT, OUTBOX, RUN, SCHEDULE = alert_tables(METADATA)


def open_state(project: Project) -> sa.Engine:
    """The application database of a project, made or brought up to date where need be.

    Raises:
        ConfigError: A setting cannot be used.
        NotSupported: The package that PostgreSQL needs is not installed.
        StoreError: The database cannot be reached, or a newer Cadran wrote it.
    """
    settings = state_settings(project)
    if not settings.url:
        project.state.mkdir(parents=True, exist_ok=True)
        engine = _sqlite(project.state / STATE_FILE)
    else:
        engine = _postgres(settings.url, settings.schema)
    with transaction(engine) as connection:
        migrate(connection)
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose work is kept as a whole, or not at all.

    Raises:
        StoreError: The database cannot be reached, is locked or refuses.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        cause = error.orig or error
        raise StoreError(
            "The application database cannot be used: {problem}.",
            hint="Check that it can be reached and written, then try again.",
            where=engine.url.render_as_string(hide_password=True),
            problem=str(cause).splitlines()[0].rstrip("."),
        ) from error


def migrate(connection: sa.Connection, target: str = HEAD) -> None:
    """Bring the tables to a revision, in the transaction of the connection.

    Args:
        connection: Connection in a transaction.
        target: Revision to reach, the newest by default.

    Raises:
        StoreError: The database is of a revision that this version does not know.
    """
    if connection.dialect.name == "postgresql":
        # two processes that start together must not both make the tables
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('cadran state ' || current_schema()))"))
    revision = _revision(connection)
    if revision == target:
        return
    # Alembic costs a tenth of a second and is needed only where something is missing
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if revision and revision not in known:
        raise StoreError(
            "The application database is of revision {revision}, which this version of Cadran does not know.",
            hint="Use the version of Cadran that wrote it, or a newer one.",
            where=connection.engine.url.render_as_string(hide_password=True),
            revision=revision,
        )
    command.upgrade(config, target)


def _revision(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _PATIENCE}, poolclass=sa.NullPool)

    # Python's driver leaves DDL out of transactions unless it is told not to manage them, and two
    # writers that both began by reading could not both go on: each takes its turn from the start
    @event.listens_for(engine, "connect")
    def _manual(connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, schema: str) -> sa.Engine:
    address = sa.make_url(url).set(drivername="postgresql+psycopg", password=state_password() or None)
    try:
        engine = sa.create_engine(
            address,
            connect_args={"options": f"-csearch_path={schema} -ctimezone=UTC"},
            # a few statements a day: nothing is worth a connection that is held, or found dead
            poolclass=sa.NullPool,
        )
    except ModuleNotFoundError as error:
        raise NotSupported(
            "The engine {engine} needs a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[{engine}]'.",
            where="state.url",
            engine="postgres",
            package="psycopg",
        ) from error
    with transaction(engine) as connection:
        # two processes that start together must not both make the schema, which IF NOT EXISTS does not prevent
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtext('cadran schema ' || :name))"), {"name": schema}
        )
        if schema not in sa.inspect(connection).get_schema_names():
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    return engine
