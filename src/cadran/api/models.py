"""The documents that the API answers with, and how they are made from readings."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from cadran.api.document import Document
from cadran.i18n import say
from cadran.insights.expected import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cadran.catalogue.definition import Benchmark, Kpi, Target
    from cadran.engine.result import Number, Rows
    from cadran.errors import Issue
    from cadran.insights.reading import Change, Reading, Readings

Value = int | float | Decimal | None


class Problem(Document):
    """What stopped, who can fix it being told by `code` and `hint`."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    message: str
    hint: str = ""
    where: str = ""


class Health(Document):
    """Whether the figures can be read, and how fresh they are."""

    status: Literal["ok"]
    snapshot: str
    known_at: datetime
    issues: int


class TargetOut(Document):
    """A level to reach."""

    value: Decimal
    high: Decimal | None
    segment: dict[str, str]
    start: date | None
    end: date | None


class BenchmarkOut(Document):
    """What others reach, with how far it can be believed."""

    low: Decimal | None
    high: Decimal | None
    source: str
    year: int | None
    grade: str
    market: str
    segment: dict[str, str]
    note: str


class KpiBrief(Document):
    """A KPI in the list of all."""

    id: str
    name: str
    unit: str
    version: str
    team: str
    owner: str


class Contract(KpiBrief):
    """The whole contract of a KPI."""

    description: str
    formula: str
    kind: str
    direction: str
    basis: str
    effective_from: date | None
    effective_to: date | None
    dimensions: list[str]
    default_by: list[str]
    grains: list[str]
    scope: str
    sources: list[str]
    funnel: str
    cadence: str
    min_n: int
    window_days: int | None
    trailing: str
    interval: str
    variants: list[str]
    cost_lines: list[str]
    hypothesis: str
    targets: list[TargetOut]
    benchmarks: list[BenchmarkOut]
    oracle: str


class ChangeOut(Document):
    """The difference with an earlier period."""

    start: date
    end: date
    value: Value
    delta: Value
    ratio: float | None
    is_favourable: bool | None
    version: str


class CurvePoint(Document):
    """A cohort and past cases at one age: shares in 0..1, null where nobody was watched."""

    age: int
    share: float | None
    low: float | None
    high: float | None
    at_risk: int
    past: float | None


class CurveOut(Document):
    """How a cohort converts as it ages, and what is expected of it."""

    horizon_days: int
    n: int
    converted: int
    ended: int
    open: int
    maturity: float
    expected: float | None
    low: float | None
    high: float | None
    of_created: float
    of_closed: float | None
    median_days: float | None
    unknown: float
    n_past: int
    points: list[CurvePoint]


class ReadingOut(Document):
    """One figure, judged."""

    kpi: str
    version: str
    unit: str
    start: date
    end: date
    segment: dict[str, str | None]
    value: Value
    low: float | None
    high: float | None
    n: int
    numerator: Value
    denominator: Value
    partial: bool
    status: str
    reason: str
    verdict: str
    target: TargetOut | None
    benchmark: BenchmarkOut | None
    change: ChangeOut | None
    n_needed: int | None
    maturity: float | None
    window_start: date | None
    history_from: date | None
    is_break: bool
    curve: CurveOut | None = None
    notes: list[str]


class IssueOut(Document):
    """A finding about the data."""

    code: str
    level: str
    message: str
    where: str
    entity: str
    n_rows: int


class Answer(Document):
    """The readings that answer a question."""

    currency: str
    as_of: datetime
    snapshot: str
    knowledge: Literal["as_known", "as_true"]
    readings: list[ReadingOut]
    issues: list[IssueOut]
    lineage: dict[str, list[str]]
    sql: list[str]


class RowsOut(Document):
    """The rows behind a number."""

    columns: list[str]
    rows: list[list[Any]]
    total: int
    as_of: datetime


def brief(kpi: Kpi, language: str) -> KpiBrief:
    """A KPI in a list."""
    return KpiBrief(
        id=kpi.id, name=kpi.name(language), unit=kpi.unit, version=kpi.version, team=kpi.team, owner=kpi.owner
    )


def contract(kpi: Kpi, language: str) -> Contract:
    """The whole contract of a KPI."""
    return Contract(
        **brief(kpi, language).model_dump(),
        description=kpi.descriptions.get(language, ""),
        formula=kpi.formula.get(language, ""),
        kind=kpi.kind,
        direction=kpi.direction,
        basis=kpi.basis,
        effective_from=kpi.effective_from,
        effective_to=kpi.effective_to,
        dimensions=list(kpi.dimensions),
        default_by=list(kpi.default_by),
        grains=list(kpi.grains),
        scope=kpi.scope.get(language, ""),
        sources=list(kpi.sources),
        funnel=kpi.funnel,
        cadence=kpi.cadence,
        min_n=kpi.min_n,
        window_days=kpi.window_days,
        trailing=str(kpi.trailing or ""),
        interval=kpi.interval,
        variants=list(kpi.variants),
        cost_lines=list(kpi.cost_lines),
        hypothesis=kpi.hypothesis.get(language, ""),
        targets=[_target(target) for target in kpi.targets],
        benchmarks=[_benchmark(benchmark, language) for benchmark in kpi.benchmarks],
        oracle=kpi.oracle,
    )


def answer(found: Readings, language: str) -> Answer:
    """The readings that answer a question."""
    return Answer(
        currency=found.currency,
        as_of=found.as_of,
        snapshot=found.snapshot,
        knowledge=found.knowledge,
        readings=[_reading(reading, language) for reading in found.readings],
        issues=[_issue(issue, language) for issue in found.issues],
        lineage={name: list(tables) for name, tables in found.lineage.items()},
        sql=list(found.sql),
    )


def rows(found: Rows) -> RowsOut:
    """The rows behind a number."""
    return RowsOut(
        columns=list(found.columns), rows=[list(row) for row in found.rows], total=found.total, as_of=found.as_of
    )


def _reading(reading: Reading, language: str) -> ReadingOut:
    figure, unit = reading.figure, reading.kpi.unit
    template = reading.reason or figure.reason
    params: Mapping[str, object] = reading.reason_params or figure.reason_params
    return ReadingOut(
        kpi=reading.kpi.id,
        version=reading.kpi.version,
        unit=unit,
        start=figure.start,
        end=figure.end,
        segment=dict(figure.segment),
        value=_number(reading.value, unit),
        low=reading.low,
        high=reading.high,
        n=figure.n,
        numerator=figure.numerator,
        denominator=figure.denominator,
        partial=figure.partial,
        status=reading.status,
        reason=say(template, params, language) if template else "",
        verdict=reading.verdict,
        target=_target(reading.target) if reading.target else None,
        benchmark=_benchmark(reading.benchmark, language) if reading.benchmark else None,
        change=_change(reading.change, unit) if reading.change else None,
        n_needed=reading.n_needed,
        maturity=reading.maturity,
        curve=CurveOut.model_validate(summary(reading.conversion)) if reading.conversion else None,
        window_start=figure.window.start if figure.window else None,
        history_from=figure.history_from,
        is_break=reading.is_break,
        notes=[note.text(language) for note in figure.notes],
    )


def _change(change: Change, unit: str) -> ChangeOut:
    return ChangeOut(
        start=change.start,
        end=change.end,
        value=_number(change.value, unit),
        delta=_number(change.delta, unit),
        ratio=change.ratio,
        is_favourable=change.is_favourable,
        version=change.version,
    )


def _number(value: Number | None, unit: str) -> Value:
    """Money keeps its decimals, which JSON writes as text; the rest are numbers."""
    return value if value is None or unit.startswith("money") or not isinstance(value, Decimal) else float(value)


def _target(target: Target) -> TargetOut:
    return TargetOut(
        value=target.value, high=target.high, segment=dict(target.segment), start=target.start, end=target.end
    )


def _benchmark(benchmark: Benchmark, language: str) -> BenchmarkOut:
    return BenchmarkOut(
        low=benchmark.low,
        high=benchmark.high,
        source=benchmark.source,
        year=benchmark.year,
        grade=benchmark.grade,
        market=benchmark.market,
        segment=dict(benchmark.segment),
        note=benchmark.note.get(language, ""),
    )


def _issue(issue: Issue, language: str) -> IssueOut:
    message = say(issue.message, issue.params, language)
    return IssueOut(
        code=issue.code, level=issue.level, message=message, where=issue.where, entity=issue.entity, n_rows=issue.n_rows
    )
