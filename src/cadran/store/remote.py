"""What snapshots outside DuckDB have in common: what they say of themselves, and statements compiled once."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cadran.errors import Issue, StoreError
from cadran.store.dialect import statement
from cadran.store.warehouse import FILES, ISSUES, META, RowsOnly, described_meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import ibis.expr.types as ir

    from cadran.store.warehouse import SnapshotMeta

#: Tables of a snapshot that describe it; each row is one JSON text.
DESCRIPTIONS = (META, ISSUES, FILES)


def described(meta: SnapshotMeta, issues: Iterable[Issue], files: Iterable[Mapping[str, Any]]) -> dict[str, pa.Table]:
    """The tables that describe a snapshot: a position and a JSON text in each row."""
    about = asdict(meta) | {"known_at": meta.known_at.isoformat(), "built_at": meta.built_at.isoformat()}
    plain = [{**asdict(issue), "params": dict(issue.params)} for issue in issues]
    return {META: _texts([about]), ISSUES: _texts(plain), FILES: _texts(files)}


def _texts(values: Iterable[Mapping[str, Any]]) -> pa.Table:
    texts = [json.dumps(value, ensure_ascii=False, default=str) for value in values]
    columns = [pa.array(range(len(texts)), pa.int64()), pa.array(texts, pa.string())]
    return pa.table(columns, names=["position", "content"])


class Remote(RowsOnly):
    """A published snapshot in another engine.

    Args:
        dialect: Name of the engine, as `store.dialect` has it.
        texts: JSON texts of each table of `DESCRIPTIONS`, in order.

    Attributes:
        dialect: The same.
        meta: What the snapshot says of itself.
        files: What was read, one mapping of plain values per file.
    """

    def __init__(self, dialect: str, texts: Mapping[str, Sequence[str]]) -> None:
        self.meta = described_meta(json.loads(texts[META][0]))
        self.files: tuple[dict[str, Any], ...] = tuple(json.loads(text) for text in texts[FILES])
        self._issues = tuple(Issue(**json.loads(text)) for text in texts[ISSUES])
        self.dialect = dialect
        self._statements: dict[object, str] = {}
        self._lock = threading.Lock()

    def sql(self, expression: ir.Table) -> str:
        """The engine's statement for an expression; compiled once.

        Raises:
            NotSupported: The engine has no words for it.
        """
        key = expression.op()
        with self._lock:
            if key not in self._statements:
                self._statements[key] = statement(expression, self.dialect)
            return self._statements[key]

    def issues(self, entities: frozenset[str] = frozenset()) -> tuple[Issue, ...]:
        """Findings of the build about these entities, or all findings when none is named."""
        return tuple(i for i in self._issues if not entities or not i.entity or i.entity in entities)


def refused(engine: str, where: str, problem: object) -> StoreError:
    """The error of a statement that the engine refuses."""
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return StoreError("{engine} refused a statement: {problem}.", where=where, engine=engine, problem=lines[0])
