"""The governed definitions: KPI contracts, dimensions, targets, benchmarks and alert rules.

A KPI is a YAML entry with an independent SQL oracle. Its numbers come from `Measure`s: an
aggregation over the rows of one canonical table. Rates are in 0..1, money is decimal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cadran.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from cadran.catalogue.approval import Approval
    from cadran.errors import Issue
    from cadran.period import Trailing

Kind = Literal["simple", "ratio", "cumulative", "derived", "conversion"]
Aggregation = Literal["count", "sum", "mean", "count_distinct", "median", "min", "max", "survival", "incidence"]
Unit = Literal["rate", "count", "money", "money_per_day", "days", "hours", "months", "multiple"]
Direction = Literal["up", "down", "band", "none"]
Basis = Literal["period", "cohort", "balance"]
Grade = Literal["A", "B", "C"]


@dataclass(frozen=True)
class Measure:
    """An aggregation over the rows of one canonical table.

    Attributes:
        entity: Canonical table.
        agg: How rows are put together. ``survival`` keeps the durations of rows, finished or not,
            for a Kaplan-Meier median; ``incidence`` keeps how long each row took to end, and whether it
            ended as wanted, for the conversion to expect of rows that are partly open.
        expr: SQL expression over the table's columns that is aggregated; empty for ``count``. For
            ``incidence``, whole days from the row's day to its end, unknown while it has not ended.
        where: SQL predicate that keeps rows; empty keeps all.
        time: Day column (``x_on``) on which rows are dated.
        event: For ``survival``, SQL predicate that is true when the duration has ended; for
            ``incidence``, true when the row ended as wanted.
        balance: True when every row up to the end of the period counts, as for a stock.
        at_end: True when rows are photographs taken on certain days, such as month ends: only those
            of the last such day in the period count, the same day for every segment.
        required: True when a sum over no row at all is unknown and not 0: nothing was recorded.
        missing: For money, the SQL predicate of rows whose amount is known but has no rate into
            the base currency; such rows make the figure undefined (rule G-14). Empty for the rows
            whose ``x`` is known and ``x_base`` is not, for every ``x_base`` in `expr`.
        missing_what: What those rows lack: ``rate`` of exchange, or gross ``margin``.
        places: ``file:line`` of every key, for messages.
    """

    entity: str
    agg: Aggregation = "count"
    expr: str = ""
    where: str = ""
    time: str = ""
    event: str = ""
    balance: bool = False
    at_end: bool = False
    required: bool = False
    missing: str = ""
    missing_what: Literal["rate", "margin"] = "rate"
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Dimension:
    """A way to break a number down.

    Attributes:
        id: Name in questions.
        labels: Name in each language.
        columns: Column that holds it, by entity.
        where: ``file:line`` of the entry.
    """

    id: str
    labels: Mapping[str, str]
    columns: Mapping[str, str]
    where: str = ""


@dataclass(frozen=True)
class Target:
    """A level that a KPI should reach in one segment and span of time.

    Attributes:
        value: Level; the lower edge of a band.
        high: Upper edge of a band, or None.
        segment: Dimension values that it applies to; empty for all.
        start: First day it holds, or None for always.
        end: First day it no longer holds, or None.
    """

    value: Decimal
    high: Decimal | None = None
    segment: Mapping[str, str] = field(default_factory=dict)
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class TargetLock:
    """The targets of a KPI as they were agreed before a campaign started (T-97).

    Attributes:
        campaign: What they were agreed for.
        start: First day of the campaign.
        end: First day after it.
        locked_on: Day on which they were locked, before `start`.
        targets: The targets then: those by which periods that start in the campaign are judged.
    """

    campaign: str
    start: date
    end: date
    locked_on: date
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Benchmark:
    """What others reach, with how far it can be believed.

    Attributes:
        low: Lower edge, or None.
        high: Upper edge, or None.
        source: Who says so.
        year: Year of the figure, or None when it is not dated.
        grade: A primary source seen, B secondary, C not traceable.
        market: ``FR``, ``US`` or empty for any.
        segment: Dimension values that it applies to; empty for all.
        note: Caveats, in each language.
    """

    low: Decimal | None
    high: Decimal | None
    source: str
    grade: Grade
    year: int | None = None
    market: str = ""
    segment: Mapping[str, str] = field(default_factory=dict)
    note: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertRule:
    """When a reading deserves somebody's attention.

    Attributes:
        level: ``warn`` or ``alert``.
        below: Raise when the whole interval is under this value, or None.
        above: Raise when the whole interval is over this value, or None.
        by: Dimensions checked one segment at a time.
        min_n: Fewest cases, below which nothing is raised.
        for_periods: How many periods in a row it must hold.
        against: ``level`` for the two values above, ``target`` for the target in force, ``usual`` for the share of
            the 52 weeks before the window.
        recover: Value that ends it, further in the good direction than the one that raises it; None for the same.
        window: For ``usual``, how many weeks are looked at together.
        certainty: For ``usual``, coverage in (0, 1) of the interval that must lie past it, None for 0.95: a short
            window of few cases asks for more, since chance has more weeks to be striking in.
        until_share: Share of the quarter, in 0..1, after which nothing is judged any more; None for all of it.
    """

    level: Literal["warn", "alert"]
    below: Decimal | None = None
    above: Decimal | None = None
    by: tuple[str, ...] = ()
    min_n: int = 0
    for_periods: int = 1
    against: Literal["level", "target", "usual"] = "level"
    recover: Decimal | None = None
    window: int = 8
    certainty: Decimal | None = None
    until_share: Decimal | None = None


@dataclass(frozen=True)
class Note:
    """What a figure says of itself where a condition on its parts holds.

    Attributes:
        when: SQL predicate over the inputs of a ``derived`` KPI, or over ``numerator`` and
            ``denominator`` of another.
        text: Template in each language; its fields are the names in `when` and ``currency``.
        undefined: True when the figure then has no value, for this reason.
    """

    when: str
    text: Mapping[str, str]
    undefined: bool = False


@dataclass(frozen=True)
class Kpi:
    """One version of one governed KPI: the whole contract.

    Attributes:
        id: Name in questions, in snake case.
        version: Version of the definition, such as ``1.0``.
        effective_from: First day on which this version counts, or None for always.
        effective_to: First day on which it no longer counts, or None.
        names: Name in each language.
        descriptions: What it says, in each language.
        formula: Formula as people read it, in each language.
        kind: ``simple`` one measure; ``ratio`` of two measures; ``cumulative`` a balance at the
            end of each period; ``conversion`` a ratio over a cohort, or with an
            ``incidence`` numerator alone the share to expect of it; ``derived`` from other KPIs.
        unit: What the value is counted in.
        direction: Which way is good.
        basis: ``period`` dates both parts by when they happened, ``cohort`` by when the case
            started, ``balance`` at the end of the period.
        numerator: Upper measure, or the only one; None for ``derived``.
        denominator: Lower measure, or None.
        n: Measure that counts the cases, or None when the denominator does.
        expression: For ``derived``, an arithmetic expression over the names in `inputs`.
        inputs: For ``derived``, the KPI behind each name.
        low: For ``derived``, expression of the lower edge of its range over the names in `inputs`; empty for none.
        high: Likewise of the upper edge.
        notes: What a figure says of itself under conditions; the first that holds and is `undefined` takes
            its value away.
        cost_lines: For a KPI on costs, the lines that it counts, or ``all``.
        window_days: For ``conversion``, days within which the case must convert, or None. Cases
            whose window has not ended are in neither part; `Figure.maturity` tells their share. With
            ``incidence`` they count, by what is expected of them.
        trailing: Window, such as ``12m``, over which flows count that ends with each period; None for the
            period alone. A derived KPI has none: its inputs have their own.
        dimensions: Dimensions that may break it down.
        default_by: Dimensions that always break it down, such as ``stage``.
        grains: Grains in which it may be asked.
        scope: What it covers, in each language.
        sources: Canonical entities and fields it rests on.
        owner: Who answers for it.
        team: Team on whose board it stands.
        funnel: ``acquisition``, ``activation``, ``conversion``, ``expansion`` or ``retention``.
        cadence: ``daily``, ``weekly``, ``monthly`` or ``quarterly``.
        min_n: Fewest cases on which a verdict is given.
        targets: Levels to reach.
        locks: Targets that were locked for a campaign, which count instead for its periods.
        benchmarks: Levels that others reach.
        alerts: When to raise it.
        hypothesis: Causal hypothesis, in each language.
        interval: Which interval fits: ``wilson``, ``mean``, ``delta``, ``median``, ``survival``,
            ``incidence``,
            ``range`` (of `low` and `high`), ``lifetime`` (from the interval of the one rate of loss
            among the inputs) or ``none``.
        variants: Other KPIs that measure the same thing by another convention.
        is_vanity: True for a volume that must stay off the boards.
        oracle: Independent SQL over the canonical tables that gives the same figure.
        zone: Zone in which its days are cut; empty for the company's.
        approval: Who agreed to this version and why, or None for one that came with the definitions.
        where: ``file:line`` of the entry.
        places: ``file:line`` of every key, for messages.
    """

    id: str
    names: Mapping[str, str]
    kind: Kind
    unit: Unit
    direction: Direction
    basis: Basis
    version: str = "1.0"
    effective_from: date | None = None
    effective_to: date | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    formula: Mapping[str, str] = field(default_factory=dict)
    numerator: Measure | None = None
    denominator: Measure | None = None
    n: Measure | None = None
    expression: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    low: str = ""
    high: str = ""
    notes: tuple[Note, ...] = ()
    cost_lines: tuple[str, ...] = ()
    window_days: int | None = None
    trailing: Trailing | None = None
    dimensions: tuple[str, ...] = ()
    default_by: tuple[str, ...] = ()
    grains: tuple[str, ...] = ("day", "week", "month", "quarter", "year")
    scope: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    owner: str = ""
    team: str = ""
    funnel: str = ""
    cadence: str = ""
    min_n: int = 0
    targets: tuple[Target, ...] = ()
    locks: tuple[TargetLock, ...] = field(default=(), repr=False)
    benchmarks: tuple[Benchmark, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    hypothesis: Mapping[str, str] = field(default_factory=dict)
    interval: str = "none"
    variants: tuple[str, ...] = ()
    is_vanity: bool = False
    oracle: str = ""
    zone: str = ""
    approval: Approval | None = field(default=None, repr=False)
    where: str = ""
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def name(self, language: str) -> str:
        """The name in that language, or in English, or the id."""
        return self.names.get(language) or self.names.get("en") or self.id


@dataclass(frozen=True)
class Board:
    """A short list of KPIs that one team steers by.

    Attributes:
        id: Name of the board, usually of the team.
        labels: Title in each language.
        questions: The question that the board answers, in each language.
        kpis: KPI ids, in order; at most seven.
        reason: Why there are more than the limit, or empty.
        where: ``file:line`` of the entry.
    """

    id: str
    labels: Mapping[str, str]
    questions: Mapping[str, str]
    kpis: tuple[str, ...]
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class AttributionRules:
    """Which touches count for a won deal, and which models share its revenue among them.

    Attributes:
        lookback_days: Touches older than this when the deal ended do not count.
        half_life_days: Days in which a touch loses half of its weight under time decay.
        touch_types: Types of touch that count; empty for all.
        default: Model that answers when none is named.
        models: Models that are computed; the range over them is shown.
        min_wins: Fewest wins with a touch from which a data-driven model is fitted.
        where: ``file:line`` of the entry.
    """

    lookback_days: int = 180
    half_life_days: int = 7
    touch_types: tuple[str, ...] = ()
    default: str = "u_shaped"
    models: tuple[str, ...] = ("first", "last", "linear", "u_shaped", "w_shaped", "time_decay", "full_path")
    min_wins: int = 100
    where: str = ""


@dataclass(frozen=True)
class Driving:
    """What drives one KPI, beside its own expression; see `driving`.

    Attributes:
        equals: Expression over KPI ids that gives the same figure, or empty.
        moves_by: Expression over KPI ids that gives by how much a balance moved in a period, or empty.
        believed: KPIs that are believed to drive it.
        where: ``file:line`` of the entry.
    """

    equals: str = ""
    moves_by: str = ""
    believed: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Everything that is governed.

    Attributes:
        kpis: Every version of every KPI, by id, oldest version first.
        dimensions: Dimensions by id.
        boards: Boards in the order in which they are shown.
        north_star: KPI id that everything contributes to.
        left_out: Why a KPI that is written down is not here, by id.
        attribution: How won revenue is credited to touches.
        drivers: What drives each KPI, by id.
    """

    kpis: Mapping[str, tuple[Kpi, ...]]
    dimensions: Mapping[str, Dimension]
    boards: tuple[Board, ...] = ()
    north_star: str = "arr"
    left_out: Mapping[str, Issue] = field(default_factory=dict)
    attribution: AttributionRules = field(default_factory=AttributionRules)
    drivers: Mapping[str, Driving] = field(default_factory=dict)

    def newest(self) -> list[Kpi]:
        """The newest version of every KPI, in order."""
        return [versions[-1] for versions in self.kpis.values()]

    def title(self, name: str, language: str) -> str:
        """What a KPI is called in that language; its id when it is not defined."""
        return self.kpis[name][-1].name(language) if name in self.kpis else name

    def steered(self, board: Board) -> tuple[str, ...]:
        """The KPIs of a board, in order; volumes that say nothing of results stay off it."""
        return tuple(name for name in board.kpis if not (name in self.kpis and self.kpis[name][-1].is_vanity))

    def kpi(self, name: str, on: date | None = None) -> Kpi:
        """The version of a KPI that counts on a day, or its newest.

        Raises:
            DefinitionError: No KPI has that name, or its entry cannot be used.
        """
        if name in self.left_out:
            cause = self.left_out[name]
            raise DefinitionError(cause.message, hint=cause.hint, where=cause.where, **cause.params)
        if name not in self.kpis:
            near = did_you_mean(name, self.kpis)
            hint = "Did you mean {near}?" if near else "`cadran kpi --list` shows them all."
            raise DefinitionError("No KPI is named {name}.", hint=hint, name=name, near=near)
        versions = self.kpis[name]
        if on is None:
            return versions[-1]
        for kpi in reversed(versions):
            if kpi.effective_from is None or kpi.effective_from <= on:
                return kpi
        return versions[0]
