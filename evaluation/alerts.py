"""Alerts, week by week over 24 months of the sample company: what is raised, when, and how much of it is false.

Every alert that is raised counts, of whatever kind. It is true where something explains it: the planted fall, the
list that was bought and came to nothing, a sync that did not come, or a threshold that the figure's own truth is
beyond, told by the year around for a rate and by the figure itself where chance has no part in it. Anomalies need a
year of history: they are judged in the second one.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadran.jobs.build import build_project
from cadran.jobs.demo import write_demo
from cadran.jobs.progress import silent
from cadran.jobs.sync import sync_project
from cadran.period import Calendar
from cadran.sources.demo import UNTIL, write_company
from cadran.sources.demo_deals import CONTACT, QUALIFICATION, STAGES
from cadran.sources.demo_world import Span
from cadran.workspace import open_workspace
from evaluation._replay import WEEKS, Replayed, Told, replay
from evaluation._story import story
from evaluation.line import Line

if TYPE_CHECKING:
    from cadran.insights.alerts import Signal
    from cadran.insights.reading import Reading
    from cadran.view import View

#: Seed of `cadran demo`, which is judged, and others that are shown.
SEED, OTHERS = 7, range(1, 13)
#: Where companies that are built are kept for the next run; they are built afresh unless it is set.
KEEP = "CADRAN_EVALUATION_KEEP"
#: Weeks before and after that tell the truth of a rate.
AROUND = timedelta(weeks=26)
#: Days after its import in which the bought list came to nothing, as `sources.demo_deals` makes it.
CAME_TO_NOTHING = (timedelta(days=4), timedelta(days=4 + 40 + 80 + 30))
#: KPIs that the planted fall moves, beside the conversion itself.
MOVED_BY_FALL = ("win_rate", "win_rate_qualified", "bookings")


@dataclass(frozen=True)
class Judged:
    """One company's replay beside what was planted.

    Attributes:
        found: The replay.
        planted: What was planted.
    """

    found: Replayed
    planted: Any

    @property
    def raised(self) -> list[Told]:
        """Alerts that were raised."""
        return [each for each in self.found.told if each.what == "raised"]

    @property
    def false(self) -> list[Told]:
        """Those of them that nothing explains."""
        return [each for each in self.raised if not self.why(each)]

    @property
    def days_to_fall(self) -> float:
        """Days from the planted fall to the first alert that tells it."""
        drop = self.planted.drop
        return min(((each.day - drop.day).days for each in self.raised if self._tells_fall(each)), default=float("inf"))

    @property
    def days_to_gap(self) -> float:
        """The most days from the first week of a quarter with coverage under 2.5x in a segment to its alert."""
        gaps = [each for each in self.found.told if each.what in ("raised", "escalated") and _is_gap(each.signal)]
        return max(((each.day - _began(each.signal)).days for each in gaps), default=float("inf"))

    def why(self, told: Told) -> str:
        """What explains an alert; empty for a false one."""
        signal = told.signal
        if signal.kind == "missing":
            return "late" if told.is_late else ""
        if signal.kind in ("threshold", "target") and self._is_beyond(told):
            return "threshold"
        everything = [(signal.kpi, signal.segment), *signal.with_it]
        is_down = "|above|" not in signal.key
        if told.day >= self.planted.drop.day and is_down and any(self._is_of_fall(*each) for each in everything):
            return "fall"
        bought = Span(self.planted.start, self.planted.until).us_entry
        is_after = bought + CAME_TO_NOTHING[0] <= told.day <= bought + CAME_TO_NOTHING[1]
        return "list" if is_after and any(_is_of_list(*each) for each in everything) else ""

    def _is_of_fall(self, kpi: str, segment: Any) -> bool:
        drop = self.planted.drop
        if segment.get("segment", drop.segment) != drop.segment:
            return False
        return kpi in MOVED_BY_FALL or (kpi.startswith("stage_conv") and segment.get("stage", drop.stage) == drop.stage)

    def _tells_fall(self, told: Told) -> bool:
        """True where an alert names the conversion, the segment and the stage that fell."""
        drop = self.planted.drop
        here = (drop.segment, drop.stage)
        return told.day >= drop.day and any(
            name.startswith("stage_conv") and (segment.get("segment"), segment.get("stage")) == here
            for name, segment in [(told.signal.kpi, told.signal.segment), *told.signal.with_it]
        )

    def _is_beyond(self, told: Told) -> bool:
        """True where the truth lies beyond the threshold that was passed."""
        signal, edge = told.signal, told.signal.usual
        if signal.low is None or edge is None:
            return True
        near = [
            reading
            for reading in self._series(signal)
            if signal.start - AROUND <= reading.figure.start < signal.end + AROUND
        ]
        n = sum(float(each.figure.denominator or 0) for each in near)
        truth = sum(float(each.figure.numerator or 0) for each in near) / n if n else edge
        return truth < edge if "|below|" in signal.key else truth > edge

    def _series(self, signal: Signal) -> list[Reading]:
        answers = [answer for asked, answer in self.found.answers if asked.kpi.id == signal.kpi]
        return [
            reading
            for reading in (answers[0].readings if answers else ())
            if dict(reading.figure.segment) == dict(signal.segment)
        ]


def _is_of_list(kpi: str, segment: Any) -> bool:
    """True for the first stages, in which the deals of the bought list were lost."""
    first = (STAGES[CONTACT], STAGES[QUALIFICATION])
    return kpi in ("new_opportunities", "win_rate") or (
        kpi.startswith("stage_conv") and segment.get("stage", first[0]) in first
    )


def _began(signal: Signal) -> date:
    """First day of the first week of a gap: with a quarter, a new quota is to be covered."""
    quarter = Calendar().containing(signal.end - timedelta(days=1), "quarter")
    return max(signal.since, Calendar().containing(quarter.start, "week").start)


def _is_gap(signal: Signal) -> bool:
    return signal.kpi == "pipeline_coverage" and signal.level == "alert" and bool(signal.segment)


def evaluate(seed: int, shared: Path | None) -> list[Line]:
    """Replay the sample company, and the same company of other seeds."""
    del seed, shared
    return [*lines(judged(SEED)), *_of_others()]


def judged(seed: int) -> Judged:
    """The replay of the sample company of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(os.environ[KEEP]) / str(seed) if KEEP in os.environ else Path(folder) / "company"
        if not kept.exists():
            now = datetime.combine(UNTIL + timedelta(days=2), datetime.min.time().replace(hour=9))
            settings = write_demo(kept, seed=seed, progress=silent)
            found = sync_project(settings, now=now, progress=silent)
            build_project(settings, now=now, progress=silent, found=found.issues)
        return of_view(open_workspace(kept).view(), write_company(Path(folder) / "again", seed=seed))


def of_view(view: View, planted: Any) -> Judged:
    """The replay of a company beside what was planted."""
    return Judged(replay(view), planted)


def lines(each: Judged) -> list[Line]:
    """The lines of the report for the sample company."""
    return [*_falseness(each), *_speed(each), *_quiet(each), *_lateness(each)]


def _falseness(each: Judged) -> list[Line]:
    false, quarters = each.false, WEEKS / 13
    rules = [told for told in each.raised if told.signal.kind in ("threshold", "target")]
    watched = [told for told in each.raised if told.signal.kind in ("usual", "anomaly")]
    wrong = lambda among: sum(told in false for told in among)  # noqa: E731
    explained = {why: sum(each.why(told) == why for told in watched) for why in ("fall", "list")}
    return [
        Line(
            "false alerts per quarter, of all kinds", len(false) / quarters, None, 2.0, "at most",
            f"{len(false)} of {len(each.raised)} raised in {WEEKS} weeks of the sample company (seed {SEED})",
        ),
        Line(
            "of them, thresholds passed though the truth is on the right side", wrong(rules) / quarters,
            note=f"{wrong(rules)} of {len(rules)}; rates by the year around, others by the figure itself",
        ),
        Line(
            "of them, unusual shares and anomalies that nothing explains", wrong(watched) / quarters,
            note=f"{wrong(watched)} of {len(watched)}; {explained['fall']} tell the planted fall, "
            f"{explained['list']} the bought list of which nearly all was lost",
        ),
    ]  # fmt: skip


def _speed(each: Judged) -> list[Line]:
    drop = each.planted.drop
    before, after = (round(rate.numerator / rate.denominator, 2) for rate in (drop.before, drop.after))
    n = round(drop.before.denominator / 52)
    return [
        Line(
            "days from the planted fall of a conversion to its alert", each.days_to_fall, None, 14.0, "at most",
            f"{drop.segment}, {drop.stage}, from {before} to {after} on {drop.day}: {n} decisions a week",
        ),
        Line(
            "most days from the first week of a quarter with coverage under 2.5x in a segment to its alert",
            each.days_to_gap, None, 14.0, "at most", "every gap of 24 months, told after two weeks",
        ),
    ]  # fmt: skip


def _quiet(each: Judged) -> list[Line]:
    slack = [told for told in each.false if _is_slack(told.day)]
    middle = [told for told in each.raised if told.day.weekday()]
    n_slack = sum(_is_slack(day) for day in each.found.days)
    n_middle = sum(day.weekday() > 0 for day in each.found.days)
    return [
        Line(
            "false alerts in holiday weeks", len(slack), None, 0.0, "at most",
            f"on {n_slack} Mondays after weeks of August and of Christmas",
        ),
        Line(
            "alerts raised in an unfinished week", len(middle), None, 0.0, "at most",
            f"on {n_middle} Thursdays, on which nothing is new but the half of a week",
        ),
    ]  # fmt: skip


def _is_slack(day: date) -> bool:
    """True for days on which the last whole week lay in August, or between Christmas and New Year."""
    last = [day - timedelta(days=day.weekday() + back) for back in range(1, 8)]
    return all(each.month == 8 for each in last) or any((each.month, each.day) in ((12, 25), (1, 1)) for each in last)


def _lateness(each: Judged) -> list[Line]:
    spells = sorted(set(each.found.late.values()))
    missing = [told for told in each.found.told if told.signal.kind == "missing"]
    raised = {each.found.late[told.day] for told in missing if told.what == "raised" and told.is_late}
    last = [max(day for day, began in each.found.late.items() if began == since) for since in spells]
    back = [min(day for day in each.found.days if day > until) for until in last]
    over = {told.day for told in missing if told.what == "recovered"}
    other = [told for told in each.raised if told.is_late and told.signal.kind != "missing"]
    return [
        Line(
            "syncs that did not come and raised “no data”", sum(since in raised for since in spells), None,
            float(len(spells)), "at least", f"{len(spells)} times the export of the CRM was one or two weeks late",
        ),
        Line(
            "other alerts raised while a sync was late", len(other), None, 0.0, "at most", "data that stops is no fall",
        ),
        Line(
            "of those syncs, over on the first day with the data", sum(day in over for day in back), None,
            float(len(spells)), "at least", "recovery is told by itself",
        ),
    ]  # fmt: skip


def _of_others() -> list[Line]:
    """What the rules of the conversion tell in the stories of other seeds, which no build is made for."""
    found = [Judged(Replayed(told, (), (), {}), planted) for planted, told in map(story, OTHERS)]
    days = [each.days_to_fall for each in found]
    false = [len(each.false) / (WEEKS / 13) for each in found]
    seeds = f"seeds {OTHERS[0]} to {OTHERS[-1]}"
    return [
        Line(
            "other seeds, share told within two weeks of the fall", sum(each <= 14 for each in days) / len(days),
            note=f"{seeds}: {', '.join(f'{each:g}' for each in days)} days; rules of the conversion on the story",
        ),
        Line(
            "other seeds, most false alerts of these rules per quarter", max(false), None, 2.0, "at most",
            f"{seeds}: {', '.join(f'{each:.3g}' for each in false)}",
        ),
    ]  # fmt: skip
