"""What a connector lands, as Polars reads it: tables, days of Paris and amounts in the base currency.

The rules and what is known of the company are those of `landed`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.scale import CURRENCY, SUMMERS

if TYPE_CHECKING:
    from benchmarks.scale import Scale

AMOUNT, SHARE = pl.Decimal(18, 4), pl.Decimal(18, 9)
FEW = frozenset(["segment", "industry", "region", "channel"])


def local_day(column: str) -> pl.Expr:
    """The day in Paris of a UTC instant: time zones take six times as long as a choice of hours."""
    at = pl.col(column)
    summer = pl.any_horizontal(
        at.is_between(datetime.fromisoformat(f"{a} 01:00"), datetime.fromisoformat(f"{b} 01:00"), closed="left")
        for a, b in SUMMERS
    )
    return (at + pl.when(summer).then(pl.duration(hours=2)).otherwise(pl.duration(hours=1))).dt.date()


def product(amount: pl.Expr, factor: pl.Expr) -> pl.Expr:
    """An amount times an exact factor, to the hundredth of a cent."""
    return (amount * factor).round(4, mode="half_away_from_zero").cast(AMOUNT)


def in_base(amount: pl.Expr, rate: str = "rate") -> pl.Expr:
    """An amount in the base currency."""
    return pl.when(pl.col("currency") == CURRENCY).then(amount).otherwise(product(amount, pl.col(rate)))


class Landed:
    """The landed tables of a scale, and what is made of them.

    Attributes:
        scale: Whose data was landed.
        rate: Rate of each currency and day.
    """

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.rate = (
            self.rows("fx_rate", "day_on", "from_currency", "to_currency", "rate")
            .filter(pl.col("to_currency") == CURRENCY)
            .select("day_on", "rate", currency="from_currency")
        )

    def rows(self, name: str, *columns: str) -> pl.LazyFrame:
        """Some columns of a landed table; texts of few values, which are grouped by, are codes."""
        found = pl.scan_parquet(self.scale.folder / "landed" / name / "*.parquet").select(columns)
        return found.with_columns(pl.col(each).cast(pl.Categorical) for each in columns if each in FEW)

    def owners(self) -> pl.LazyFrame:
        return self.rows("owner", "id", "name").select(owner_id="id", owner=pl.col("name").cast(pl.Categorical))

    def accounts(self) -> pl.LazyFrame:
        """Accounts with what describes them."""
        return self.rows("account", "id", "segment", "industry", "region", "owner_id", "is_target_abm").rename(
            {"id": "account_id"}
        )

    def described(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of an account and an owner with what describes them."""
        accounts = self.accounts().drop("owner_id", "is_target_abm")
        return frame.join(accounts, on="account_id", how="left").join(self.owners(), on="owner_id", how="left")
