"""Changes of contracts as they were proposed and decided; append-only, each decided once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from cadran.errors import QueryError
from cadran.store.state import CONTRACT_CHANGE, open_state, transaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.config import Project

Row = dict[str, Any]
_COLUMNS = CONTRACT_CHANGE.c


class ContractBook:
    """The changes that were proposed to the contracts of a company.

    Args:
        engine: Application database, up to date; see `state.open_state`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def propose(self, values: Mapping[str, Any]) -> int:
        """Keep a proposal; its number.

        Args:
            values: Every column of ``contract_change`` but its id and those of the decision.
        """
        with transaction(self._engine) as connection:
            key = connection.execute(sa.insert(CONTRACT_CHANGE).values(**values)).inserted_primary_key
        assert key is not None  # noqa: S101 - every table has an integer key
        return int(key[0])

    def changes(self, kpi: str = "") -> tuple[Row, ...]:
        """Every change in the order in which it was proposed, or those of a KPI."""
        asked = sa.select(CONTRACT_CHANGE).order_by(_COLUMNS.id)
        with transaction(self._engine) as connection:
            found = connection.execute(asked.where(_COLUMNS.kpi == kpi) if kpi else asked).mappings()
            return tuple(dict(row) for row in found)

    def change(self, number: int) -> Row:
        """One change.

        Raises:
            QueryError: No change has that number.
        """
        found = next((row for row in self.changes() if row["id"] == number), None)
        if found is None:
            raise QueryError(
                "No change of a contract has the number {number}.",
                hint="`cadran contract history` lists them.",
                where="change",
                number=number,
            )
        return found

    def decide(self, number: int, values: Mapping[str, Any]) -> None:
        """Approve or refuse a change, once.

        Args:
            number: Its number.
            values: The columns of the decision.

        Raises:
            QueryError: It has been decided already. The condition and the change are one statement, so that one
                of two wins.
        """
        is_it = (_COLUMNS.id == number) & _COLUMNS.decided_at.is_(None)
        with transaction(self._engine) as connection:
            if connection.execute(sa.update(CONTRACT_CHANGE).where(is_it).values(**values)).rowcount == 0:
                raise QueryError(
                    "The change {number} has been decided already.",
                    hint="Propose another one.",
                    where="change",
                    number=number,
                )


def open_contracts(project: Project) -> ContractBook:
    """The changes of the contracts of a project; see `state.open_state` for what it raises."""
    return ContractBook(open_state(project))
