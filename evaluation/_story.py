"""The rules of a stage's conversion on the decisions of the sample company's story, for many seeds.

The story is what the exports are written from, and a build gives its counts back to the last one, as the tests show.
Judged by the same rules, it tells in a second what a build and a replay tell in minutes.
"""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

from cadran.catalogue.load import load_catalogue
from cadran.engine.query import KpiQuery
from cadran.engine.result import Figure
from cadran.insights.alert_rules import USUAL, Asked, rule_signals
from cadran.insights.reading import Reading, Readings
from cadran.period import Calendar
from cadran.sources.demo import UNTIL, tell
from cadran.sources.demo_chance import paris_day
from cadran.sources.demo_deals import DROP_SEGMENT, DROP_STAGE, STAGES, drop_day
from cadran.sources.demo_truth import decision
from evaluation._replay import Standing, Told

if TYPE_CHECKING:
    from cadran.catalogue.definition import Kpi
    from cadran.sources.demo_world import World

    Counts = dict[tuple[str, str], dict[date, list[int]]]
KPI = "stage_conversion_decided"
#: Weeks of the longest window of its rules.
LONGEST = 8


def story(seed: int) -> tuple[SimpleNamespace, tuple[Told, ...]]:
    """What was planted, as far as alerts ask for it, and what the rules tell of every stage, Monday by Monday."""
    world = tell(seed, UNTIL)
    drop = SimpleNamespace(segment=DROP_SEGMENT, stage=DROP_STAGE, day=drop_day(world))
    kpi = load_catalogue()[0].kpi(KPI)
    asked = [Asked(kpi, rule, KpiQuery((KPI,))) for rule in kpi.alerts]
    readings = _readings(_counts(world), kpi)
    calendar, standing, told = Calendar(), Standing(), []
    monday = calendar.containing(world.span.start, "week").end
    while monday <= world.span.until:
        first = monday - timedelta(weeks=USUAL + LONGEST + 3)
        seen = tuple(each for each in readings if first <= each.figure.start and each.figure.end <= monday)
        answer = Readings(seen, "EUR", world.span.end, "story")
        signals = rule_signals([(each, answer) for each in asked], calendar, monday)
        told += [Told(monday, what, signal) for what, signal in standing.step(signals, monday)]
        monday += timedelta(weeks=1)
    return SimpleNamespace(drop=drop, start=world.span.start, until=world.span.until), tuple(told)


def _counts(world: World) -> Counts:
    """Advanced and decided, by segment and stage and by week."""
    found: Counts = {}
    for deal in world.deals:
        for place, stage in enumerate(STAGES):
            at, advanced = decision(deal, place, implied=deal.type == "new")
            if at is not None and not deal.is_test:
                day = paris_day(at)
                weeks = found.setdefault((deal.company.segment, stage), {})
                pair = weeks.setdefault(day - timedelta(days=day.weekday()), [0, 0])
                pair[0] += advanced
                pair[1] += 1
    return found


def _readings(counts: Counts, kpi: Kpi) -> list[Reading]:
    """The counts as readings; a week without a decision is undefined."""
    found = []
    for (segment, stage), weeks in counts.items():
        day = min(weeks)
        while day <= max(weeks):
            won, n = weeks.get(day, [0, 0])
            value = won / n if n else None
            figure = Figure(
                kpi=kpi, start=day, end=day + timedelta(weeks=1), segment={"segment": segment, "stage": stage},
                value=value, numerator=won, denominator=n, n=n, status="ok" if n else "undefined",
            )  # fmt: skip
            found.append(Reading(figure, value, status="ok" if n else "undefined"))
            day += timedelta(weeks=1)
    return found
