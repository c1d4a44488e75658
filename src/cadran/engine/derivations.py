"""The statements of the derivations, compiled once for every day.

Ibis takes far longer to compile the derivations than a database to run them for a company of usual size. The day
of knowledge is the only part of them that differs from build to build and from question to question: they are
compiled for a day that no data can have, kept, and get their day when they are asked for.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import cadran.canonical
from cadran import period
from cadran.canonical import derive, history
from cadran.canonical.entities import ENTITIES
from cadran.canonical.schema import AUXILIARY, TYPES, schema_of
from cadran.canonical.shape import known_day, open_day
from cadran.deferred import ibis
from cadran.store import compiled
from cadran.store.dialect import statement

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cadran.canonical.settings import Settings

#: Prefixes: every version of what was landed; what was known then; steps that derivations share.
LANDED, CURRENT, KEPT = "landed_", "current_", "kept_"
#: The year of the day that stands for any day, and the years that a date made from it may fall in.
NO_YEAR = 2399
_NEAR = re.compile(r"\b2[345](?:98|99|00)\b")


@dataclass(frozen=True)
class Piece:
    """One table of the derivations.

    Attributes:
        name: Its name: that of an entity, or a prefix and a name.
        reads: Tables of the snapshot, and pieces before it, that it rests on.
        types: Type of each column, as Ibis writes it.
        sql: Statement that gives its rows.
    """

    name: str
    reads: tuple[str, ...]
    types: dict[str, str]
    sql: str


@functools.lru_cache(maxsize=8)
def derivations(settings: Settings, dialect: str) -> dict[str, Piece]:
    """Every table that KPIs read, and the steps between, in an order in which they can be computed.

    Args:
        settings: See there; ``without`` is not looked at.
        dialect: Name of the engine, as `store.dialect` has it.
    """
    undated = _undated(settings)
    pieces = _for_any_day(undated, dialect)
    old, new = _days(undated, dialect), _days(settings, dialect)
    return {name: replace(piece, sql=_dated(piece.sql, old, new)) for name, piece in pieces.items()}


def _dated(text: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    for before, after in zip(old, new, strict=True):
        text = text.replace(before, after)
    return text


def _undated(settings: Settings) -> Settings:
    """The same for a midnight of that zone, so that the last known day is not the first one that is not over."""
    midnight = datetime(NO_YEAR, 6, 17, tzinfo=ZoneInfo(settings.zone)).astimezone(UTC).replace(tzinfo=None)
    same = settings.constant
    if same and same.on:
        same = replace(same, on=date(NO_YEAR + 100, 6, 17))
    return replace(settings, known_at=midnight, constant=same, without=None)


def _days(settings: Settings, dialect: str) -> tuple[str, ...]:
    """All that derivations know of their day, as the engine writes it."""
    values = [(settings.known_at, "timestamp"), (known_day(settings), "date"), (open_day(settings), "date")]
    if settings.constant and settings.constant.on:
        values.append((settings.constant.on, "date"))
    return tuple(_literal(value, kind, dialect) for value, kind in values)


@functools.lru_cache(maxsize=512)
def _literal(value: date, kind: str, dialect: str) -> str:
    text = statement(ibis.literal(value, TYPES[kind]).name("value").as_table(), dialect)
    found = re.fullmatch(r"SELECT\s+(.+?)\s+AS\s+\S+", text.strip(), re.DOTALL)
    if found is None:
        msg = f"not a literal: {text}"
        raise ValueError(msg)
    return found[1]


@functools.lru_cache(maxsize=8)
def _for_any_day(settings: Settings, dialect: str) -> dict[str, Piece]:
    name = hashlib.sha256(repr((settings, dialect, _versions())).encode()).hexdigest()
    text = compiled.kept(name)
    if text is None:
        text = json.dumps([asdict(piece) for piece in _compiled(settings, dialect)])
        compiled.keep(name, text)
    return {found["name"]: Piece(**found | {"reads": tuple(found["reads"])}) for found in json.loads(text)}


@functools.cache
def _versions() -> tuple[str, ...]:
    """What the statements depend on beside the settings: this code, and that of the compiler."""
    canonical, store = Path(cadran.canonical.__path__[0]), Path(compiled.__file__).parent
    rules = sorted(path for path in canonical.rglob("*") if path.suffix in {".py", ".yml"})
    sources = [Path(__file__), Path(period.__file__), *rules, store / "dialect.py", store / "spark_dialect.py"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return (digest, version("ibis-framework"), version("sqlglot"))


def _compiled(settings: Settings, dialect: str) -> list[Piece]:
    days = _days(settings, dialect)
    pieces = [_piece(name, table, dialect) for name, table in _expressions(settings).items()]
    for piece in pieces:
        if _NEAR.search(_dated(piece.sql, days, ("",) * len(days))):
            msg = f"{piece.name} is made for one day: what it knows of the day must be one of {days}"
            raise ValueError(msg)
    return pieces


def _piece(name: str, table: ir.Table, dialect: str) -> Piece:
    reads = {found.name for found in table.op().find(ibis.expr.operations.UnboundTable)}
    types = {column: str(kind) for column, kind in table.schema().items()}
    return Piece(name, tuple(sorted(reads)), types, statement(table, dialect))


def _expressions(settings: Settings) -> dict[str, ir.Table]:
    """Short expressions, each on those before it: the whole as one would take Ibis minutes to compile."""
    landed = {
        name: ibis.table(schema_of(name), name=LANDED + name) for name, entity in ENTITIES.items() if not entity.derived
    }
    landed |= {name: ibis.table(schema_of(name), name=name) for name in AUXILIARY}
    pieces: dict[str, ir.Table] = {}

    def keep(name: str, table: ir.Table) -> ir.Table:
        pieces[name] = table
        return ibis.table(table.schema(), name=name)

    known = history.current(landed, settings.known_at)
    current = {name: keep(CURRENT + name, table) for name, table in known.items()}
    return pieces | derive.tables(current, settings, lambda name, table: keep(KEPT + name, table))
