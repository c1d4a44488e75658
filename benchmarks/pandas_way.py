"""The dashboard in pandas: each table read once with the columns that are needed, one groupby a breakdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.scale import END
from benchmarks.work import ALL, BREAKDOWNS, CELLS, FROM_MONTH, NONE, TO_MONTH, stage_series

if TYPE_CHECKING:
    from pathlib import Path

DIMS = list(BREAKDOWNS)


def read(folder: Path, table: str, day: str, columns: list[str]) -> pd.DataFrame:
    """The rows of a table up to the end of the span, money as doubles, with the month ``m``."""
    read = dict.fromkeys([day, *columns, *DIMS])
    frame = pd.read_parquet(folder / f"{table}.parquet", columns=list(read), filters=[(day, "<", END)])
    stamp = pd.to_datetime(frame[day])
    frame[day] = stamp
    frame["m"] = (stamp.dt.year * 12 + stamp.dt.month - 1).astype("int32")
    for name in DIMS:
        frame[name] = frame[name].fillna(NONE).astype("category")
    for name in columns:
        if frame[name].dtype == object and frame[name].first_valid_index() is not None and name != "stage":
            value = frame[name].loc[frame[name].first_valid_index()]
            if isinstance(value, bool):
                frame[name] = frame[name].fillna(value=False).astype(bool)
            elif hasattr(value, "as_tuple"):
                frame[name] = frame[name].astype("float64")
    return frame


def live(frame: pd.DataFrame) -> pd.Series:
    return ~frame["is_test"] & frame["deleted_at"].isna() & frame["merged_into_id"].isna()


class Cells:
    """The cells found so far."""

    def __init__(self) -> None:
        self.found: list[pd.DataFrame] = []

    def add(self, series: str, breakdown: str, values: pd.Series) -> None:
        """Take in values by month, and segment when there is one."""
        frame = values.dropna().rename("value").reset_index()
        label = "" if breakdown == ALL else frame[breakdown].astype(str)
        self.found.append(frame[["m", "value"]].assign(series=series, breakdown=breakdown, segment=label))

    def table(self) -> pa.Table:
        every = pd.concat(self.found, ignore_index=True)
        every["month"] = pd.to_datetime({"year": every["m"] // 12, "month": every["m"] % 12 + 1, "day": 1}).dt.date
        every["value"] = every["value"].astype("float64")
        return pa.Table.from_pandas(every[CELLS.names], schema=CELLS, preserve_index=False)


def keys() -> list[tuple[str, list[str]]]:
    return [(ALL, ["m"]), *((name, ["m", name]) for name in DIMS)]


def span(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["m"] >= FROM_MONTH) & (frame["m"] < TO_MONTH)]


def answer(folder: Path) -> pa.Table:
    """The cells of the dashboard, from Parquet."""
    cells = Cells()
    deals(folder, cells)
    stages(folder, cells)
    leads(folder, cells)
    responses(folder, cells)
    revenue(folder, cells)
    return cells.table()


def deals(folder: Path, cells: Cells) -> None:
    flags = ["is_test", "deleted_at", "merged_into_id"]
    frame = read(folder, "opportunity", "created_on", ["opportunity_type", "is_imported", *flags])
    kind = frame["opportunity_type"].fillna("new")
    frame = span(frame[live(frame) & (kind == "new") & ~frame["is_imported"]])
    for name, by in keys():
        cells.add("new opportunities", name, frame.groupby(by, observed=True).size())
    columns = ["is_closed", "is_won", "acv_base", "is_cycle_valid", "cycle_days", *flags]
    frame = read(folder, "opportunity", "closed_on", columns)
    frame = span(frame[live(frame) & frame["is_closed"]]).copy()
    frame["acv"] = frame["acv_base"].where(frame["is_won"] & (frame["acv_base"] > 0))
    frame["cycle"] = frame["cycle_days"].where(frame["is_won"] & frame["is_cycle_valid"])
    moved = read(folder, "pipeline_movement", "moved_on", ["qualified_n_delta"])
    for name, by in keys():
        found = frame.groupby(by, observed=True).agg(
            win=("is_won", "mean"), acv=("acv", "mean"), cycle=("cycle", "mean")
        )
        for series, column in (("win rate", "win"), ("ACV", "acv"), ("sales cycle", "cycle")):
            cells.add(series, name, found[column])
        open_ = running(moved, by, "qualified_n_delta").reindex(found.index).fillna(0)
        cells.add("velocity", name, open_ * found["win"] * found["acv"] / found["cycle"].replace(0, np.nan))


def running(moved: pd.DataFrame, by: list[str], column: str) -> pd.Series:
    """What stands at the end of each month of the span."""
    months = moved["m"].clip(lower=FROM_MONTH - 1)
    sums = moved.groupby([months, *by[1:]], observed=True)[column].sum()
    if len(by) == 1:
        found = sums.reindex(range(FROM_MONTH - 1, TO_MONTH), fill_value=0).cumsum().loc[FROM_MONTH:]
        return found.round(4).rename_axis("m")
    wide = sums.unstack(by[1], fill_value=0).reindex(range(FROM_MONTH - 1, TO_MONTH), fill_value=0)
    return wide.cumsum().loc[FROM_MONTH:].round(4).rename_axis("m").stack()


def stages(folder: Path, cells: Cells) -> None:
    frame = span(read(folder, "stage_passage", "entered_on", ["stage", "advanced_on"])).copy()
    frame["further"] = pd.to_datetime(frame["advanced_on"]) >= frame["entered_on"]
    for name, by in keys():
        shares = frame.groupby(["stage", *by], observed=True)["further"].mean()
        for stage, share in shares.groupby(level="stage"):
            cells.add(stage_series(stage), name, share.droplevel("stage"))


def leads(folder: Path, cells: Cells) -> None:
    frame = span(read(folder, "lead_cycle", "mql_on", ["sql_on", "is_direct_sql"]))
    mature = frame["mql_on"] + pd.Timedelta(days=90) < pd.Timestamp(END)
    frame = frame[mature & ~frame["is_direct_sql"]].copy()
    frame["sql"] = (pd.to_datetime(frame["sql_on"]) - frame["mql_on"]).dt.days.between(0, 90)
    for name, by in keys():
        cells.add("MQL to SQL", name, frame.groupby(by, observed=True)["sql"].mean())


def responses(folder: Path, cells: Cells) -> None:
    frame = read(folder, "lead_response", "created_on", ["is_valid", "is_answered", "working_hours"])
    frame = span(frame[frame["is_valid"] & frame["working_hours"].notna()]).copy()
    known = frame[frame["is_answered"] | (frame["working_hours"] >= 1)].copy()
    known["soon"] = known["is_answered"] & (known["working_hours"] <= 1)
    frame["hours"] = frame["working_hours"].round(4)
    for name, by in keys():
        cells.add("response under 1 h", name, known.groupby(by, observed=True)["soon"].mean())
        waited = frame.groupby([*by, "hours"], observed=True)["is_answered"].agg(["sum", "size"])
        left = waited["size"][::-1].groupby(level=by, observed=True).cumsum()[::-1]
        stays = np.log1p(-(waited["sum"] / left).clip(upper=1 - 1e-15))
        half = stays.groupby(level=by, observed=True).cumsum() <= np.log(0.5) + 1e-12
        reached = half[half].reset_index("hours")["hours"]
        cells.add("response median", name, reached.groupby(level=by, observed=True).min())


def revenue(folder: Path, cells: Cells) -> None:
    moved = read(folder, "mrr_movement", "moved_on", ["mrr_delta_base"])
    window = ["mrr_12m_before", "expansion_12m", "contraction_12m", "churn_12m", "retained_12m"]
    frame = read(folder, "customer_month", "month_on", ["is_final", *window])
    frame = span(frame[frame["is_final"] & (frame["mrr_12m_before"] > 0)]).copy()
    frame["net"] = frame["mrr_12m_before"] + frame["expansion_12m"] - frame["contraction_12m"] - frame["churn_12m"]
    for name, by in keys():
        cells.add("MRR", name, running(moved, by, "mrr_delta_base"))
        sums = frame.groupby(by, observed=True)[["net", "retained_12m", "mrr_12m_before"]].sum()
        cells.add("NRR", name, sums["net"] / sums["mrr_12m_before"])
        cells.add("GRR", name, sums["retained_12m"] / sums["mrr_12m_before"])
