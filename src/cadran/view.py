"""`View`: the part of a project that one person may read.

To read you must hold a `View`; to hold a `View` you must be someone. Every face — terminal, page,
API — asks through it and gets readings, never tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cadran.canonical.settings import settings_of
from cadran.catalogue.revision import alone
from cadran.engine.constant import constant_of
from cadran.engine.customers import customers
from cadran.engine.deals import DealQuery, deals
from cadran.engine.journeys import journeys
from cadran.engine.late import late
from cadran.engine.prospects import prospects
from cadran.engine.quality import checked_rows
from cadran.engine.query import Context
from cadran.engine.redefine import redefined
from cadran.engine.run import answer, answers, rows
from cadran.engine.span import known_at
from cadran.engine.submissions import submissions
from cadran.errors import QueryError
from cadran.insights.anomalies import Company, anomalies_of
from cadran.insights.attribution import attribute
from cadran.insights.blame import blame_of
from cadran.insights.columns import values
from cadran.insights.drivers import drivers_of
from cadran.insights.economics import economics
from cadran.insights.hypotheses import beliefs, hypotheses
from cadran.insights.judge import read
from cadran.insights.landing import Ahead
from cadran.insights.next_actions import Chooser
from cadran.insights.open_deals import open_deals, quarter_ends
from cadran.insights.pace import pace_of
from cadran.insights.propensity import propensity_of
from cadran.insights.quality import quality_of
from cadran.insights.redefinition import Redefinition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from decimal import Decimal
    from typing import Any

    import pyarrow as pa

    from cadran.canonical.settings import Constant
    from cadran.catalogue.definition import Catalogue, Kpi
    from cadran.catalogue.plays import Play
    from cadran.config import Project
    from cadran.engine.customers import CustomerQuery
    from cadran.engine.deals import DealResult
    from cadran.engine.journeys import JourneyQuery
    from cadran.engine.late import Late
    from cadran.engine.prospects import ProspectQuery
    from cadran.engine.query import KpiQuery, LateQuery, RowQuery
    from cadran.engine.result import KpiResult, Rows
    from cadran.errors import Issue
    from cadran.insights.anomalies import Anomalies
    from cadran.insights.attribution import Attribution
    from cadran.insights.blame import Blame
    from cadran.insights.change import Drivers
    from cadran.insights.economics import Economics
    from cadran.insights.hypotheses import Hypothesis
    from cadran.insights.landing import Outlook
    from cadran.insights.next_actions import NextAction
    from cadran.insights.open_deals import OpenDeals
    from cadran.insights.pace import Pace
    from cadran.insights.propensity import PropensityAnswer
    from cadran.insights.quality import Quality
    from cadran.insights.reading import Readings
    from cadran.period import Grain
    from cadran.store.warehouse import Snapshot, SnapshotMeta

#: Who reads when nobody signed in: the person at the terminal, who holds the files anyway.
LOCAL = "local"


@dataclass(frozen=True)
class View:
    """What one person may read of one snapshot.

    Attributes:
        project: Settings of the company.
        catalogue: Governed definitions.
        person: Who reads.
        scope: Predicates that every row this person sees fulfils; empty for all.
        constant: Rates at which all amounts are told, or None for the rate of each amount's own day.
    """

    project: Project
    catalogue: Catalogue
    person: str
    _warehouse: Snapshot
    scope: tuple[str, ...] = ()
    constant: Constant | None = None

    @property
    def meta(self) -> SnapshotMeta:
        """What the snapshot says of itself."""
        return self._warehouse.meta

    @property
    def whole_until(self) -> date:
        """First day that is not wholly known."""
        return known_at(self.meta.known_at, None, self.project.zone).whole_until

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Findings of the build."""
        return self._warehouse.issues()

    @property
    def files(self) -> tuple[Mapping[str, Any], ...]:
        """What was read: file, mapping, counts of rows read, loaded and set aside, export time."""
        return self._warehouse.files

    def kpi(self, name: str) -> Kpi:
        """The newest version of a KPI.

        Raises:
            DefinitionError: No KPI has that name.
        """
        return self.catalogue.kpi(name)

    def ask(self, query: KpiQuery) -> Readings:
        """The readings that answer a question.

        Raises:
            QueryError: The question names something that does not exist or cannot be combined.
        """
        return self.ask_all([query])[0]

    def ask_all(self, queries: Sequence[KpiQuery]) -> tuple[Readings, ...]:
        """The readings that answer several questions, read together: the same as `ask` of each, with fewer scans.

        Raises:
            QueryError: One of the questions names something that does not exist or cannot be combined.
        """
        return tuple(read(one) for one in answers(self.catalogue, queries, self._warehouse, self._context()))

    def drivers(self, query: KpiQuery) -> Drivers:
        """Why a KPI moved between two periods, by its factors or, with dimensions, by segment.

        Raises:
            QueryError: The question has not one KPI, nothing to compare with, or cannot be split.
        """
        context = self._context()
        return drivers_of(self.catalogue, query, lambda asked: answer(self.catalogue, asked, self._warehouse, context))

    def columns(self, queries: Sequence[KpiQuery]) -> tuple[pa.Table, ...]:
        """The values that answer several questions, as one Arrow table each: see `insights.columns.values`.

        Raises:
            QueryError: One of the questions names something that does not exist or cannot be combined.
        """
        found = answers(self.catalogue, queries, self._warehouse, self._context(), has_moments=False)
        return tuple(values(one) for one in found)

    def blame(self, query: KpiQuery) -> Blame:
        """Which segment is to blame for the rate of the last whole period, or that nothing tells.

        Raises:
            QueryError: The question has not one KPI, or one that is no rate of counts.
        """
        context = self._context()
        return blame_of(self.catalogue, query, lambda asked: answer(self.catalogue, asked, self._warehouse, context))

    def anomalies(self, query: KpiQuery) -> Anomalies:
        """What is out of its usual range in the last whole week, every KPI and segment judged together.

        Args:
            query: KPIs, or none for all that are watched; `by` are the dimensions, `end` the day before which
                the week ends.

        Raises:
            QueryError: A KPI named has no weekly counts, rates or sums.
        """
        context = self._context()
        known = known_at(self.meta.known_at, query.as_of, context.zone)
        return anomalies_of(
            self.catalogue,
            query,
            lambda asked: answers(self.catalogue, asked, self._warehouse, context),
            Company(context.calendar, self.project.hours, known.whole_until),
        )

    def rows(self, question: RowQuery) -> Rows:
        """The rows behind a number.

        Raises:
            QueryError: The question names something that does not exist or cannot be combined.
        """
        return rows(self.catalogue, question, self._warehouse, self._context())

    def late(self, asked: LateQuery) -> Late:
        """The rows that entered, left or changed a KPI's figures between two days of knowledge.

        Raises:
            QueryError: The question names something that does not exist, has no span, or its days are not in order.
        """
        return late(self.catalogue, asked, self._warehouse, self._context())

    def redefined(self, after: Kpi, query: KpiQuery) -> Redefinition:
        """A KPI by the version in force and by another one, with the rows in and out.

        Args:
            after: Version that is proposed; derived KPIs read their inputs as they are in force.
            query: Question with this KPI alone, a first day and an end.

        Raises:
            QueryError: The question names something that does not exist or cannot be combined.
        """
        before, context = self.kpi(after.id), self._context()
        old, new = alone(self.catalogue, before), alone(self.catalogue, after)
        readings = [read(answer(each, query, self._warehouse, context)) for each in (old, new)]
        try:
            changes, reason = redefined(old, new, query, self._warehouse, context), ""
        except QueryError as error:
            changes, reason = (), error.message
        return Redefinition(before, after, readings[0], readings[1], changes, reason)

    def attribution(self, query: JourneyQuery) -> Attribution:
        """Won revenue credited to what touched the buyers, by every model of the project.

        Raises:
            QueryError: The question names something that does not exist.
        """
        rules = self.catalogue.attribution
        return attribute(journeys(self.catalogue, query, rules, self._warehouse, self._context()), rules)

    def economics(self, query: CustomerQuery) -> Economics:
        """What customers are worth and what they cost: stay, lifetime value, acquisition cost, payback by cohort.

        Raises:
            QueryError: A predicate cannot be read.
        """
        context = self._context()
        found = customers(self.catalogue, query, self._warehouse, context)

        def ask(asked: KpiQuery) -> KpiResult:
            return answer(self.catalogue, replace(asked, as_of=query.as_of), self._warehouse, context)

        return economics(found, ask, self.project.calendar, query.where)

    def forecast(
        self, query: DealQuery, *, grain: Grain = "quarter", goal: Decimal | None = None, as_known: bool = False
    ) -> Outlook:
        """Where the bookings of the running period land.

        Args:
            query: Which deals, and as known when.
            grain: Grain of the period.
            goal: Amount to reach in it, or None.
            as_known: See `landing.Ahead`.

        Raises:
            QueryError: A predicate cannot be read.
        """
        # deals of a part are a company of their own here: it is learnt from them alone
        context = self.within(*query.where)._context()  # noqa: SLF001 - the same view, narrower

        def asked(one: DealQuery) -> DealResult:
            return deals(self.catalogue, replace(one, where=()), self._warehouse, context)

        known = known_at(self.meta.known_at, query.as_of, context.zone)
        period = context.calendar.containing(known.whole_until, grain)
        said = submissions(query.as_of, self._warehouse, context)
        return Ahead(asked, context.calendar, context.zone, goal, as_known).outlook(query, period, said)

    def hypotheses(self, names: Sequence[str] = ()) -> tuple[Hypothesis, ...]:
        """What KPIs are believed to drive, and whether their changes come before; correlation, not cause.

        Args:
            names: KPI ids, or none for all of which something is believed.

        Raises:
            DefinitionError: No KPI has that name.
        """
        pairs = beliefs(self.catalogue, [self.catalogue.kpi(name).id for name in names])
        today = known_at(self.meta.known_at, None, self.project.zone).whole_until
        return hypotheses(self.catalogue, pairs, self.ask_all, self.project.calendar, today)

    def next_actions(self, plays: Sequence[Play]) -> tuple[NextAction, ...]:
        """The plays that figures out of their range call for, by money, certainty and ease; the best first."""
        context = self._context()
        found = deals(self.catalogue, DealQuery(), self._warehouse, context)
        book, model = Ahead(lambda _: found, context.calendar, context.zone).learnt(found)
        today = known_at(self.meta.known_at, None, context.zone).whole_until
        return Chooser(self.catalogue, context.calendar, today, self.ask_all, book, model).choose(plays)

    def paces(self, query: KpiQuery) -> tuple[Pace, ...]:
        """Where each KPI of a question lands at the end of its running period.

        Raises:
            QueryError: The question names something that does not exist or cannot be combined.
        """
        context = self._context()
        until = known_at(self.meta.known_at, query.as_of, context.zone).whole_until

        def asked(one: KpiQuery) -> KpiResult:
            return answer(self.catalogue, one, self._warehouse, context)

        return tuple(pace_of(self.kpi(name), query, asked, context.calendar, until) for name in query.kpis)

    def deals(self, query: DealQuery, *, silent: bool = False) -> OpenDeals:
        """Open deals with how likely each is to be won, learnt from the deals that this person may read.

        Args:
            query: Which deals.
            silent: Only those that have gone silent.

        Raises:
            QueryError: A predicate cannot be read.
        """
        context = self._context()
        found = deals(self.catalogue, query, self._warehouse, context)
        return open_deals(found, quarter_ends(self.project.calendar, found.as_of, context.zone), silent=silent)

    def propensity(self, query: ProspectQuery) -> PropensityAnswer:
        """How likely accounts or leads are to convert, learnt from those that this person may read.

        Raises:
            QueryError: A predicate cannot be read.
        """
        return propensity_of(prospects(self.catalogue, query, self._warehouse, self._context()))

    def quality(self, kpis: Sequence[str] = (), checks: Sequence[str] = ()) -> Quality:
        """What is wrong with the data, and what that does to the figures of some KPIs: see `insights.quality`.

        Args:
            kpis: KPIs that are asked again.
            checks: Codes of the findings whose effect is asked; empty for all.

        Raises:
            DefinitionError: No KPI has one of those names.
        """
        context = self._context()
        return quality_of(
            [self.catalogue.kpi(name).id for name in kpis],
            checks,
            context,
            lambda check: checked_rows(check, self._warehouse),
            lambda queries, changed: answers(self.catalogue, queries, self._warehouse, changed),
        )

    def within(self, *predicates: str) -> View:
        """A narrower view: only rows that also fulfil these predicates."""
        return replace(self, scope=(*self.scope, *predicates))

    def at_rates(self, said: str) -> View:
        """The same view with amounts at the rates of a day or of the ``plan``: see `engine.constant.constant_of`."""
        found = constant_of(said, self.project, self._context().settings, self._warehouse) if said else None
        return replace(self, constant=found)

    def _context(self) -> Context:
        settings = settings_of(replace(self.project, currency=self.meta.currency), self.meta.known_at)
        return Context(
            calendar=self.project.calendar,
            zone=self.project.zone,
            currency=self.meta.currency,
            settings=replace(settings, constant=self.constant),
            scope=self.scope,
        )
