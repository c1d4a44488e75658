"""A workspace with invented figures and the real catalogue, for tests of the faces."""

from __future__ import annotations

import asyncio
import math
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx

from cadran.canonical.quality import CHECKS
from cadran.catalogue.definition import Target
from cadran.config import Project
from cadran.engine.result import Durations, Figure, KpiResult, Moments, Outcomes, Rows
from cadran.errors import Issue, QueryError
from cadran.insights.drivers import drivers_of
from cadran.insights.judge import read
from cadran.insights.quality import Finding, Quality, Score
from cadran.period import Period
from cadran.store.warehouse import SnapshotMeta
from shipped import CATALOGUE

if TYPE_CHECKING:
    from cadran.engine.query import KpiQuery, RowQuery

KNOWN_AT = datetime(2026, 11, 21, 9, 38)
SEGMENTS = ("Enterprise", "Mid-market", "SMB", None)
STAGES = ("Qualification", "Démo", "Proposition", "Négociation")
BASE = {"money": 40000, "money_per_day": 3300, "days": 61, "hours": 5, "months": 13, "multiple": 3, "count": 120}
ISSUES = (
    Issue(
        "bad_date",
        "warning",
        "{n} rows have no date.",
        where="deals.csv:12",
        entity="opportunity",
        params={"n": 3},
        n_rows=3,
    ),
    Issue("no_rate", "error", "No rate for {currency}.", where="fx.csv", params={"currency": "CHF"}, n_rows=9),
)


def noise(*parts: object) -> float:
    """A number in −1..1 that depends on its parts only."""
    return zlib.crc32(repr(parts).encode()) % 2001 / 1000 - 1


@dataclass(frozen=True)
class FakeView:
    """Answers every question about the catalogue with invented figures, judged for real."""

    project: Project
    catalogue: object
    meta: SnapshotMeta
    issues: tuple[Issue, ...] = ISSUES
    scope: tuple[str, ...] = ()
    files: tuple = (MappingProxyType({"file": "deals.csv", "mapping": "hubspot_deals", "rows_read": 1200}),)
    asked: list = field(default_factory=list)
    undefined: tuple[str, ...] = ("cac",)
    few: tuple[str, ...] = ("acv",)
    refused: tuple[str, ...] = ()

    def kpi(self, name):
        return self.catalogue.kpi(name)

    def quality(self, kpis=(), checks=()):
        return Quality(
            (Finding(CHECKS[0], 2, 40, ("hubspot:1", "hubspot:2")),), Score(None, 40, 38), (Score("Paris", 40, 38),)
        )

    def at_rates(self, said: str):
        return self

    def ask(self, query: KpiQuery):
        self.asked.append(query)
        return read(self._result(query))

    def ask_all(self, queries):
        return tuple(self.ask(query) for query in queries)

    def drivers(self, query: KpiQuery):
        return drivers_of(self.catalogue, query, self._result)

    def _result(self, query: KpiQuery):
        for name in query.kpis:
            if name in self.refused:
                raise QueryError("{name} cannot be answered.", name=name)
        calendar = self.project.calendar
        start, end = query.start or KNOWN_AT.date().replace(day=1), query.end or KNOWN_AT.date()
        periods = calendar.periods(query.grain, start, end) if query.grain else [Period(start, end)]
        figures, earlier = [], {}
        for name in query.kpis:
            for period in periods:
                kpi = self.catalogue.kpi(name, on=period.start)
                for segment in self._segments(kpi, query):
                    figure = self.figure(kpi, period, segment)
                    figures.append(figure)
                    if query.compare != "none" and query.grain:
                        before = calendar.previous(period, query.grain)
                        earlier[figure.key] = self.figure(kpi, before, segment)
        lineage = dict.fromkeys(query.kpis, ("opportunity", "account"))
        return KpiResult(
            tuple(figures), "EUR", KNOWN_AT, self.meta.name, ("SELECT 1 < 2",), self.issues, lineage, earlier
        )

    def rows(self, question: RowQuery):
        self.asked.append(question)
        columns = ("id", "source_url", "name", "amount", "closed_on", "is_won", "segment", "counted")
        rows = [
            (
                f"crm:{n}",
                f"https://crm.example/{n}" if n else "javascript:alert(1)",
                f"Deal <{n}>",
                Decimal(1000 * n),
                KNOWN_AT.date(),
                n % 2 == 0,
                SEGMENTS[n % 4],
                "numerator",
            )
            for n in range(question.offset, min(question.offset + question.limit, 61))
        ]
        return Rows(columns, tuple(rows), 61, KNOWN_AT)

    def _segments(self, kpi, query):
        found = [{}]
        for dimension in dict.fromkeys([*kpi.default_by, *query.by]):
            values = STAGES if dimension == "stage" else SEGMENTS
            found = [{**segment, dimension: value} for segment in found for value in values]
        return found

    def figure(self, kpi, period, segment):
        """One invented figure that drifts over time."""
        partial = period.end > KNOWN_AT.date()
        drift = (
            1 + 0.08 * math.sin(period.start.toordinal() / 60 + noise(kpi.id) * 3) + 0.04 * noise(kpi.id, period.start)
        )
        drift *= 1 + 0.2 * noise(kpi.id, *segment.values()) if segment else 1
        n = round((3 if kpi.id in self.few else 400) * drift)
        if kpi.id in self.undefined:
            reason = "There is nothing to divide by: {name} has no case."
            return Figure(
                kpi, period.start, period.end, segment, None, 0, 0, 0, "undefined", reason, {"name": kpi.id}, partial
            )
        value, parts, more = self._value(kpi, drift, n)
        return Figure(kpi, period.start, period.end, segment, value, *parts, n, "ok", partial=partial, **more)

    def _value(self, kpi, drift, n):
        if kpi.interval == "wilson":
            won = round(n * 0.26 * drift)
            return Decimal(won) / Decimal(n), (won, n), {}
        if kpi.interval == "incidence":
            won, lost = round(n * 0.2 * drift), n // 3
            cohort = Outcomes((0, 20, 45), (0, won, 0), (0, 0, lost), (0, 0, n - won - lost), (n, 0, 0))
            past = Outcomes((0, 30, 60, 400), (0, 90, 10, 0), (0, 100, 160, 0), (0, 0, 0, 40), (400, 0, 0, 0))
            return None, (won, n), {"outcomes": cohort, "past": past}
        if kpi.interval in ("survival", "median"):
            middle = BASE[kpi.unit] * drift
            times = tuple(round(middle * share, 2) for share in (0.4, 0.6, 0.8, 1.0, 1.3, 1.7))
            return None, (None, None), {"durations": Durations(times, (n // 6,) * 6, (1,) * 6)}
        base = 8_000_000 if kpi.id == "arr" else BASE.get(kpi.unit, 1.05)
        mean = base * drift
        sums = Moments(n, n * mean, n, n * mean * mean * 1.4, n, n * mean)
        value = Decimal(str(round(mean, 4))) if kpi.unit != "count" else round(mean)
        return value, (None, None), {"moments": sums}


@dataclass
class FakeWorkspace:
    """Hands out one view."""

    one: FakeView
    catalogue_issues: tuple[Issue, ...] = ()

    @property
    def project(self):
        return self.one.project

    @property
    def catalogue(self):
        return self.one.catalogue

    def view(self, person="local"):
        return self.one


def fake_workspace(**changes) -> FakeWorkspace:
    """A workspace whose view was changed in these fields."""
    catalogue = CATALOGUE
    win_rate = replace(catalogue.kpi("win_rate"), targets=(Target(Decimal("0.25")),))
    catalogue = replace(catalogue, kpis={**catalogue.kpis, "win_rate": (win_rate,)})
    meta = SnapshotMeta(
        "20261121T093800", KNOWN_AT, KNOWN_AT, "EUR", "Europe/Paris", {"opportunity": 3904, "account": 812}
    )
    project = Project(root=Path("acme"), company="Atelier Nord")
    return FakeWorkspace(FakeView(**{"project": project, "catalogue": catalogue, "meta": meta, **changes}))


def get(app, url, **headers) -> httpx.Response:
    """The answer of an application to one request, without a network."""

    async def asked():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://cockpit") as client:
            return await client.get(url, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return asyncio.run(asked())
