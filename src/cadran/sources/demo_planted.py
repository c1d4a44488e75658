"""The words for what was planted in the sample company, so that what is found can be checked to the cent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime
    from decimal import Decimal

    from cadran.period import Period


@dataclass(frozen=True)
class PlantedDeal:
    """One deal as it really went.

    Attributes:
        id: Id in the CRM.
        type: ``new``, ``renewal`` or ``expansion``.
        segment: Segment of the account.
        market: ``FR`` or ``US``.
        owner: Name of the person who has it at the end.
        created_on: Day of creation in Paris.
        closed_on: Day on which it ended for good, or None.
        outcome: ``won``, ``lost``, ``no_decision``, ``disqualified`` or ``open``.
        lost_reason: Reason as written, or empty.
        amount: Amount in its currency, or None when nobody filled it in.
        currency: Its currency.
        path: Stages entered, with their instants in naive UTC.
        is_test: True for a record made to try things out.
        is_import: True for a record of the bulk import.
    """

    id: str
    type: str
    segment: str
    market: str
    owner: str
    created_on: date
    closed_on: date | None
    outcome: str
    lost_reason: str
    amount: Decimal | None
    currency: str
    path: tuple[tuple[str, datetime], ...]
    is_test: bool
    is_import: bool


@dataclass(frozen=True)
class Rate:
    """A share as its two counts."""

    numerator: int
    denominator: int


@dataclass(frozen=True)
class Drop:
    """The fall of one stage's conversion that was planted.

    Deals are counted once, in the period in which they first entered a later stage or were lost in this one
    (`implied` also counts those that skipped the stage).

    Attributes:
        segment: Segment in which it falls.
        stage: Stage that is left.
        next_stage: Stage that should follow.
        day: First day of the fall.
        before: Advanced and decided, in the twelve months before.
        after: Advanced and decided, from the day on.
        implied_before: The same with skipped passages counted as passed.
        implied_after: The same with skipped passages counted as passed.
    """

    segment: str
    stage: str
    next_stage: str
    day: date
    before: Rate
    after: Rate
    implied_before: Rate
    implied_after: Rate


@dataclass(frozen=True)
class PlantedMovement:
    """One change of one customer's monthly recurring revenue, in its own currency; a free one is no change."""

    customer_id: str
    segment: str
    market: str
    currency: str
    moved_on: date
    type: str
    amount: Decimal


@dataclass(frozen=True)
class Retention:
    """What became in twelve months of the recurring revenue of one currency, net over the window.

    start + new + expansion + reactivation - contraction - churn = end. A customer of the first day
    that left and came back inside the window is churn and reactivation, not retained.

    Attributes:
        currency: Currency of the amounts.
        start: Monthly recurring revenue on the first day.
        new: Revenue at the end of customers that had never paid before.
        expansion: What customers of the first day pay more.
        contraction: What customers of the first day pay less.
        churn: Revenue of the first day of customers that left.
        reactivation: Revenue at the end of customers that came back.
        end: Monthly recurring revenue at the end.
        n_customers: Customers of the first day.
    """

    currency: str
    start: Decimal
    new: Decimal
    expansion: Decimal
    contraction: Decimal
    churn: Decimal
    reactivation: Decimal
    end: Decimal
    n_customers: int

    @property
    def retained(self) -> Decimal:
        """Revenue of the first day that is still there, each customer counted at no more than it paid."""
        return self.start - self.contraction - self.churn


@dataclass(frozen=True)
class Duplicate:
    """Two leads that are one person: the one to keep, the other, and the rule that sees it."""

    kept_id: str
    other_id: str
    rule: str


@dataclass(frozen=True)
class Responses:
    """How leads were answered, duplicates and tests left out.

    Attributes:
        n: Leads.
        n_answered: Answered by a person after they came.
        n_unanswered: Never answered by a person.
        n_early: Written to before they were created, as imported leads are.
        n_robot_only: Unanswered but for an automatic mail.
        median_minutes: Median of the working minutes of the answered ones, on the clocks of the lead's owner.
        survival_minutes: Median with the unanswered ones waiting to the end (Kaplan-Meier).
    """

    n: int
    n_answered: int
    n_unanswered: int
    n_early: int
    n_robot_only: int
    median_minutes: float
    survival_minutes: int | None


@dataclass(frozen=True)
class PlantedFile:
    """What one file holds: data rows, how many of them are broken on purpose, and rows of totals."""

    entity: str
    n_rows: int
    n_malformed: int
    n_totals: int


@dataclass(frozen=True)
class AdTotals:
    """What the advertising exports add up to, by platform and currency, and the sessions of the web."""

    spend: dict[tuple[str, str], Decimal]
    sessions: int
    clicks: int
    impressions: int


@dataclass(frozen=True)
class Truths:
    """Everything that was planted.

    Attributes:
        seed: Seed of the draws.
        start: First day.
        until: Last day.
        known_at: Naive UTC instant of the last exports.
        deals: Every deal, tests included, broken rows left out.
        drop: The planted fall of a conversion.
        mrr: Monthly recurring revenue at the end of each month, by last day and currency.
        rates: Euros for one dollar on every day that has a rate.
        movements: Its changes inside the sample.
        retention: What became of the customers of twelve months before the end, by currency.
        duplicates: Pairs of leads that are one person.
        unmapped_utms: How many leads came with UTM parameters that no rule knows.
        responses: How leads were answered.
        test_leads: Ids of leads made as tests.
        n_leads: Leads, tests and duplicates included.
        n_regressed: Deals that went back a stage.
        n_skipped: Deals that skipped a stage.
        n_reopened: Deals that were lost and opened again.
        outreach: Prospects reached and prospects who answered, by sequence.
        commits: What sellers committed to on the first day of a quarter, by that day and currency.
        advertising: What the advertising and web exports add up to.
        files: Every file, by name.
    """

    seed: int
    start: date
    until: date
    known_at: datetime
    deals: tuple[PlantedDeal, ...]
    drop: Drop
    mrr: Mapping[tuple[date, str], Decimal]
    rates: Mapping[date, Decimal]
    movements: tuple[PlantedMovement, ...]
    retention: Mapping[str, Retention]
    duplicates: tuple[Duplicate, ...]
    unmapped_utms: Mapping[tuple[str, str, str], int]
    responses: Responses
    test_leads: tuple[str, ...]
    n_leads: int
    n_regressed: int
    n_skipped: int
    n_reopened: int
    outreach: Mapping[str, tuple[int, int]]
    commits: Mapping[tuple[date, str], Decimal]
    advertising: AdTotals
    files: Mapping[str, PlantedFile]

    def outcomes(self) -> Counter[str]:
        """How many deals ended how, tests left out."""
        return Counter(deal.outcome for deal in self.deals if not deal.is_test)

    def win_rate(self, period: Period, *, segment: str = "", type_: str = "") -> Rate:
        """Won over closed in a period, by the day of the close in Paris, tests left out.

        Args:
            period: Days of closing.
            segment: Segment of the account; all when empty.
            type_: Type of deal; all when empty.
        """
        closed = [
            deal
            for deal in self.deals
            if deal.closed_on
            and period.contains(deal.closed_on)
            and not deal.is_test
            and segment in {"", deal.segment}
            and type_ in {"", deal.type}
        ]
        return Rate(sum(deal.outcome == "won" for deal in closed), len(closed))
