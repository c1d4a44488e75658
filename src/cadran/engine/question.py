"""A question made ready: every name checked, the versions that count, and what may be known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from cadran.engine.compile import Planner
from cadran.engine.constant import check_known
from cadran.engine.parts import dims_of, lineage_of, mode_of, parts_of
from cadran.engine.span import known_at
from cadran.engine.tables import Past
from cadran.errors import QueryError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.engine.compile import Leaf
    from cadran.engine.query import Context, KpiQuery
    from cadran.engine.span import Known, Span

#: Most periods in one answer.
MOST_PERIODS = 4000


@dataclass(frozen=True)
class Question:
    """A question and everything that it means here.

    Attributes:
        catalogue: Definitions.
        query: The question.
        context: Calendar, currency, and what the person may see.
        known: Until when the data may be known.
        planner: Makes the expressions.
        past: What the tables were, for a question about a past day; None for the published ones.
    """

    catalogue: Catalogue
    query: KpiQuery
    context: Context
    known: Known
    planner: Planner
    past: Past | None
    _windowed: dict[int, Kpi] = field(default_factory=dict, repr=False, compare=False)

    def versions(self, span: Span) -> list[Mapping[str, Kpi]]:
        """For each period, the version of every KPI that counts at its start (T-98)."""
        names = self._names()
        if all(len(self.catalogue.kpis[name]) == 1 for name in names):
            return [{name: self._over(self.catalogue.kpi(name)) for name in names}] * len(span.periods)
        found: list[Mapping[str, Kpi]] = []
        for period in span.periods:
            these = {name: self._over(self.catalogue.kpi(name, period.start)) for name in names}
            same = bool(found) and all(found[-1][name] is kpi for name, kpi in these.items())
            found.append(found[-1] if same else these)
        return found

    def _over(self, kpi: Kpi) -> Kpi:
        """The KPI over the window that the question asks for, or as its contract says."""
        trailing = self.query.trailing
        if trailing is None or trailing == kpi.trailing:
            return kpi
        return self._windowed.setdefault(id(kpi), replace(kpi, trailing=trailing))

    def _names(self) -> list[str]:
        """The KPIs asked for and every input behind them, in any version."""
        waiting, found = list(self.query.kpis), dict.fromkeys(self.query.kpis)
        while waiting:
            versions = self.catalogue.kpis.get(waiting.pop()) or ()
            new = [name for kpi in versions for name in kpi.inputs.values() if name not in found]
            found |= dict.fromkeys(new)
            waiting += new
        for name in found:
            self.catalogue.kpi(name)
        return list(found)

    def dims(self, kpi: Kpi) -> tuple[str, ...]:
        """The dimensions that break a KPI down in this answer."""
        return dims_of(kpi, self.query.by, self.catalogue)

    def leaves(self, versions: Iterable[Mapping[str, Kpi]]) -> list[Leaf]:
        """Every KPI that must be computed, with its dimensions; each once."""
        found: dict[tuple[int, tuple[str, ...]], Leaf] = {}
        for these in {id(item): item for item in versions}.values():
            for name in self.query.kpis:
                dims = self.dims(these[name])
                for kpi in lineage_of(these[name], these):
                    found.setdefault((id(kpi), dims), (kpi, dims))
        return list(found.values())


def question(
    catalogue: Catalogue, query: KpiQuery, context: Context, snapshot_known_at: datetime, *, has_moments: bool = True
) -> Question:
    """A question whose names, grain and days have been checked.

    Args:
        catalogue: Definitions.
        query: The question.
        context: Calendar, currency, and what the person may see.
        snapshot_known_at: UTC instant up to which the snapshot is known.
        has_moments: False for figures without what their intervals are made of.

    Raises:
        QueryError: It names a KPI, dimension or grain that does not exist or cannot be combined.
    """
    _check_names(catalogue, query)
    _check_days(query)
    _check_trailing(catalogue, query)
    check_known(query, context.settings.constant)
    known, before = knowledge(query.as_of, context, snapshot_known_at)
    planner = Planner(catalogue, query, context, known, has_moments)
    return Question(catalogue, query, context, known, planner, before)


def knowledge(as_of: date | None, context: Context, snapshot_known_at: datetime) -> tuple[Known, Past | None]:
    """Until when an answer may know, and what the tables were then; None for the published ones."""
    known = known_at(snapshot_known_at, as_of, context.zone)
    full = known_at(snapshot_known_at, None, context.zone)
    naive = known.at.astimezone(UTC).replace(tzinfo=None)
    settings = replace(context.settings, known_at=naive)
    # what would be published is not what is asked either where rows are left out, duplicates are, or rates are others
    is_other = settings.without is not None or not settings.merge_duplicates or settings.constant is not None
    return known, Past(settings) if known.at < full.at or is_other else None


def _check_names(catalogue: Catalogue, query: KpiQuery) -> None:
    if not query.kpis:
        raise QueryError("No KPI was asked for.", hint="Name one, such as win_rate.", where="kpi")
    for name in query.kpis:
        if name not in catalogue.kpis and name not in catalogue.left_out:
            near = did_you_mean(name, catalogue.kpis)
            hint = "Did you mean {near}?" if near else "`cadran kpi --list` shows them all."
            raise QueryError("No KPI is named {name}.", hint=hint, where="kpi", name=name, near=near)
        kpi = catalogue.kpi(name)
        if query.grain and query.grain not in kpi.grains:
            raise QueryError(
                "{kpi} cannot be asked by {grain}.",
                hint="Ask it by: {grains}.",
                where="--grain",
                kpi=name,
                grain=query.grain,
                grains=", ".join(kpi.grains),
            )


def _check_days(query: KpiQuery) -> None:
    if query.start and query.end and query.start >= query.end:
        raise QueryError(
            "The span from {start} to {end} holds no day.",
            hint="--to is the first day after the span: give one after --from.",
            where="--to",
            start=query.start.isoformat(),
            end=query.end.isoformat(),
        )


def _check_trailing(catalogue: Catalogue, query: KpiQuery) -> None:
    if query.trailing is None:
        return
    if query.grain is None and query.start:
        raise QueryError(
            "The last {window} before the end of the span start by themselves, so --from says nothing.",
            hint="Leave --from out, or give a grain for one figure per period.",
            where="--from",
            window=str(query.trailing),
        )
    newest = {name: versions[-1] for name, versions in catalogue.kpis.items()}
    for name in query.kpis:
        parts = [part for kpi in lineage_of(newest[name], newest) for part in parts_of(kpi).all()]
        if not any(mode_of(part) == "flow" for part in parts):
            raise QueryError(
                "{kpi} is read at the end of a period: nothing of it adds up over {window}.",
                hint="Ask for it without a trailing window.",
                where="--trailing",
                kpi=name,
                window=str(query.trailing),
            )


def check_length(start: date, end: date, grain: str | None) -> None:
    """Refuse a span with too many periods.

    Raises:
        QueryError: It has more than `MOST_PERIODS`.
    """
    days = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 364}.get(grain or "")
    if days and (end - start) / timedelta(days=days) > MOST_PERIODS:
        raise QueryError(
            "From {start} to {end} by {grain} is more than {most} periods.",
            hint="Ask for a shorter span or a longer grain.",
            where="--grain",
            start=start.isoformat(),
            end=end.isoformat(),
            grain=grain,
            most=MOST_PERIODS,
        )
