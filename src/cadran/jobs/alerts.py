"""Alerts: evaluated on the newest data, written with what is to be told of them, and taken by people."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from cadran.catalogue.plays import load_plays
from cadran.charts import trend
from cadran.charts.fixed import png
from cadran.charts.words import Words
from cadran.engine.query import KpiQuery
from cadran.errors import CadranError, QueryError
from cadran.insights.alert_record import lasting_of, signal_of, signal_row
from cadran.insights.alert_rules import grain_of, questions, rule_signals
from cadran.insights.alert_watch import anomaly_signals, clear_signals, missing_signals, same_group
from cadran.insights.alert_worth import worth
from cadran.insights.alerts import changes, held_back
from cadran.notify.settings import notices
from cadran.period import local_day
from cadran.store.alerting import Written, event, open_alerts
from cadran.store.archive import open_archive
from cadran.store.settings import has_state
from cadran.view import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from cadran.catalogue.definition import Kpi
    from cadran.catalogue.plays import Play
    from cadran.config import Project
    from cadran.insights.alert_rules import Asked
    from cadran.insights.alerts import Change, Signal
    from cadran.insights.anomalies import Anomalies
    from cadran.insights.reading import Readings
    from cadran.notify.settings import Notices, Route
    from cadran.view import View

    Done = Sequence[tuple[Written, int]]
Row = dict[str, Any]
#: Periods that the chart of an alert shows.
PERIODS = 26


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found.

    Attributes:
        n_signals: Rules and watches in their segments.
        n_raised: Signals that hold.
        told: What happened, by name, with how many alerts.
        skipped: KPIs whose rules could not be asked.
    """

    n_signals: int
    n_raised: int
    told: Mapping[str, int]
    skipped: tuple[str, ...] = ()


def evaluate(project: Project, view: View, *, now: datetime) -> Evaluated:
    """Evaluate every rule and watch on the newest data, keep what changed, and put what is to be told in the outbox.

    Args:
        project: Settings of the company.
        view: What may be read.
        now: A naive UTC instant.

    Raises:
        ConfigError: A setting of alerts cannot be used.
        StoreError: The application database cannot be used.
    """
    store, known = open_alerts(project), notices(project)
    rows = {row["key"]: row for row in store.lasting()}
    kept = [signal_of(row["document"]["signal"]) for row in rows.values()]
    signals, skipped = signals_of(view, kept)
    today = local_day(now.replace(tzinfo=UTC), project.zone)
    lasting = {key: lasting_of(row) for key, row in rows.items()}
    found = changes(signals, lasting, today)
    about = _About(project, view)
    written = [_written(change, rows, about, now) for change in found]
    store.write(written, lambda done: _messages(done, rows, known, now), now)
    told: dict[str, int] = {}
    for change in found:
        if change.what:
            told[change.what] = told.get(change.what, 0) + 1
    return Evaluated(len(signals), sum(s.state == "raised" for s in signals), told, skipped)


def signals_of(view: View, kept: Sequence[Signal] = ()) -> tuple[tuple[Signal, ...], tuple[str, ...]]:
    """Every signal on the newest data.

    Args:
        view: What may be read.
        kept: Signals by which the alerts that last were raised.

    Returns:
        The signals, and the KPIs whose rules could not be asked.
    """
    project = view.project
    end = view.whole_until
    kpis = [versions[-1] for versions in view.catalogue.kpis.values() if versions[-1].alerts]
    answers, skipped = _answers(view, questions(kpis, project.calendar, end))
    found = _anomalies(view)
    return day_signals(view, answers, found, end, kept), skipped


def day_signals(
    view: View, answers: Sequence[tuple[Asked, Readings]], found: Anomalies | None, end: date, kept: Sequence[Signal]
) -> tuple[Signal, ...]:
    """The signals of one day from what was asked for it.

    Args:
        view: What may be read.
        answers: Rules with their readings.
        found: What is out of its range, or None where nothing can be watched.
        end: First day that is not wholly known.
        kept: Signals by which the alerts that last were raised.
    """
    signals = rule_signals(answers, view.project.calendar, end)
    if found is None:
        return signals
    missing = missing_signals(found)
    moved = tuple(same_group(each, kept) for each in anomaly_signals(found))
    moved = tuple({each.key: each for each in reversed(moved)}.values())
    over = clear_signals(kept, (*moved, *missing), found)
    late = {each.entity for each in missing}
    resting = [each.kpi.id for each, answer in answers if late & set(answer.lineage.get(each.kpi.id, ()))]
    return held_back((*signals, *moved, *missing, *over), missing, resting)


def acknowledge(project: Project, number: int, *, reason: str, until: date, now: datetime, person: str = LOCAL) -> None:
    """Take an alert, for a reason, until a day on which it comes back if it still holds.

    Raises:
        QueryError: No alert that lasts has that number, there is no reason, or the day is over.
        StoreError: The application database cannot be used.
    """
    if not reason.strip():
        raise QueryError("An alert is acknowledged for a reason.", hint="Give --reason.", where="--reason")
    _future(project, until, now)
    values = {"acknowledged_at": now, "quiet_until": until}
    open_alerts(project).act(number, values, event("acknowledged", person, reason.strip(), until), now)


def snooze(project: Project, number: int, *, until: date, now: datetime, person: str = LOCAL) -> None:
    """Put an alert aside until a day.

    Raises:
        QueryError: No alert that lasts has that number, or the day is over.
        StoreError: The application database cannot be used.
    """
    _future(project, until, now)
    values = {"acknowledged_at": None, "quiet_until": until}
    open_alerts(project).act(number, values, event("snoozed", person, "", until), now)


def assign(project: Project, number: int, *, to: str, now: datetime, person: str = LOCAL) -> None:
    """Give an alert to somebody.

    Raises:
        QueryError: No alert that lasts has that number, or nobody is named.
        StoreError: The application database cannot be used.
    """
    if not to.strip():
        raise QueryError("An alert is given to somebody.", hint="Name who.", where="to")
    open_alerts(project).act(number, {"assignee": to.strip()}, event("assigned", person, to.strip()), now)


def comment(project: Project, number: int, *, text: str, now: datetime, person: str = LOCAL) -> None:
    """Say something about an alert.

    Raises:
        QueryError: No alert that lasts has that number, or nothing is said.
        StoreError: The application database cannot be used.
    """
    if not text.strip():
        raise QueryError("A comment says something.", hint="Give a text.", where="text")
    open_alerts(project).act(number, {}, event("commented", person, text.strip()), now)


def alerts(project: Project, *, every: bool = False) -> tuple[Row, ...]:
    """Alerts that last, or all of them, newest first, each with its ``events``.

    Raises:
        StoreError: The application database cannot be used.
    """
    found = open_alerts(project).alerts() if has_state(project) else ()
    return tuple(row for row in found if every or row["recovered_at"] is None)


def _future(project: Project, until: date, now: datetime) -> None:
    if until <= local_day(now.replace(tzinfo=UTC), project.zone):
        raise QueryError("The day {day} is over or is today.", hint="Give a later one.", where="--until", day=until)


def _answers(view: View, asked: Sequence[Asked]) -> tuple[list[tuple[Asked, Readings]], tuple[str, ...]]:
    """The answers to all rules, read together; one by one where one of them cannot be asked."""
    try:
        return list(zip(asked, view.ask_all([each.query for each in asked]), strict=True)), ()
    except CadranError:
        found, skipped = [], []
        for each in asked:
            try:
                found.append((each, view.ask(each.query)))
            except CadranError:
                skipped.append(each.kpi.id)
        return found, tuple(dict.fromkeys(skipped))


def _anomalies(view: View) -> Anomalies | None:
    try:
        return view.anomalies(KpiQuery(()))
    except CadranError:
        return None


class _About:
    """What is kept beside a signal, so that a message can be written without asking again."""

    def __init__(self, project: Project, view: View) -> None:
        self.project, self.view = project, view
        self.has_routes = bool(notices(project).routes)
        self._actions: dict[str, Row] | None = None
        self._plays: tuple[Play, ...] | None = None

    def document(self, signal: Signal) -> Row:
        """The signal with the words, the likely cause and the next step that belong to it."""
        kpi, names = self._kpi(signal.kpi), [name for name, _ in signal.with_it]
        dimensions = self.view.catalogue.dimensions
        used = set(signal.segment).union(*(segment for _, segment in signal.with_it))
        touched = {
            language: [each.name(language) for each in map(self._kpi, names) if each]
            for language in self.project.languages
        }
        blame = self._blame(signal, kpi)
        return {
            **self.newest(signal),
            "unit": kpi.unit if kpi else "count",
            "currency": self.view.meta.currency,
            "names": dict(kpi.names) if kpi else {},
            "others": {name: dict(other.names) for name in names if (other := self._kpi(name))},
            "labels": {n: dict(dimensions[n].labels) for n in used | set(blame or {}) if n in dimensions},
            "why": dict(kpi.hypothesis) if kpi else {},
            "action": self._action(signal.kpi),
            "play": self._play(signal, kpi),
            "blame": blame,
            "chart": self._chart(signal, kpi),
            "touched": touched,
            "snapshot": self.view.meta.name,
        }

    def newest(self, signal: Signal) -> Row:
        """What a signal that lasts brings each time: its figures, and until when the data was known."""
        kpi = self._kpi(signal.kpi)
        if kpi and signal.money is None:
            signal = replace(signal, money=worth(signal, kpi, self.view.catalogue, self.view.ask))
        return {"signal": signal_row(signal), "as_of": self.view.meta.known_at.isoformat()}

    def _chart(self, signal: Signal, kpi: Kpi | None) -> str:
        """The course of the KPI in its slice as a PNG in base 64; empty where none can be drawn."""
        if kpi is None or signal.kind == "missing" or not self.has_routes:
            return ""
        start = signal.end - (signal.end - signal.start) * PERIODS
        query = KpiQuery((kpi.id,), grain=grain_of(kpi), start=start, end=signal.end, where=signal.where)
        words = Words(self.project.languages[0], self.view.meta.currency, self.project.calendar, self.project.zone)
        try:
            found = self.view.ask(replace(query, by=tuple(signal.segment))).readings
            readings = [each for each in found if dict(each.figure.segment) == dict(signal.segment)]
            scene = trend(readings, words, kpi.name(words.language)) if readings else None
            return base64.b64encode(png(scene)).decode() if scene else ""
        except CadranError:
            return ""

    def _kpi(self, name: str) -> Kpi | None:
        versions = self.view.catalogue.kpis.get(name)
        return versions[-1] if versions else None

    def _action(self, kpi: str) -> Row | None:
        """The next open action on the KPI."""
        if self._actions is None:
            self._actions = {}
            for row in reversed(open_archive(self.project).actions(is_open=True)):
                due = row["due_on"].isoformat()
                self._actions[row["kpi"]] = {"text": row["text"], "owner": row["owner"], "due_on": due}
        return self._actions.get(kpi)

    def _play(self, signal: Signal, kpi: Kpi | None) -> Row | None:
        """What the playbooks have for the KPI, or one it is a variant of, with the least work; none for good news.

        Plays for the first or the later stages are left to `cadran next`, which knows the order of stages.
        """
        if kpi is None or signal.kind == "missing" or signal.is_favourable is not False:
            return None
        if self._plays is None:
            self._plays, _ = load_plays(self.project.root / "playbooks", self.view.catalogue)
        names, by_stage = {kpi.id, *kpi.variants}, "stage" in signal.segment
        fit = [each for each in self._plays if names & set(each.kpis) and not (each.stage and by_stage)]
        best = min(fit, key=lambda each: each.effort_days, default=None)
        return {"names": dict(best.names), "owner": dict(best.owner)} if best else None

    def _blame(self, signal: Signal, kpi: Kpi | None) -> dict[str, str | None] | None:
        """The segment to blame for a rate that fell, where the data tells one."""
        if kpi is None or kpi.unit != "rate" or signal.kind == "missing" or signal.state != "raised":
            return None
        query = KpiQuery((kpi.id,), grain="month", end=signal.end, where=signal.where)
        try:
            cause = self.view.blame(query).cause
        except CadranError:
            return None
        return dict(cause.segment) if cause else None


def _written(change: Change, rows: Mapping[str, Row], about: _About, now: datetime) -> Written:
    """What a change sets of its alert."""
    signal, row = change.signal, rows.get(change.signal.key)
    if row is None:
        document = about.document(signal)
        values = {
            "key": signal.key, "period_end": signal.end, "cause": signal.cause, "kind": signal.kind,
            "level": signal.level, "kpi": signal.kpi, "team": signal.team, "owner": signal.owner, "raised_at": now,
            "told_on": change.lasting.told_on if change.lasting else now.date(), "recovered_at": None,
            "quiet_until": None, "calm": [], "acknowledged_at": None, "assignee": "", "document": document,
        }  # fmt: skip
        return Written(None, values, change.what)
    if change.lasting is None:
        return Written(row["id"], {"recovered_at": now}, change.what)
    stands = change.lasting
    values = {
        "level": stands.level, "told_on": stands.told_on, "quiet_until": stands.quiet_until,
        "calm": [day.isoformat() for day in stands.calm],
    }  # fmt: skip
    if change.what == "returned":
        values["acknowledged_at"] = None
    if signal.state == "raised":
        values["document"] = {**row["document"], **about.newest(signal)}
    return Written(row["id"], values, change.what)


def _messages(done: Done, rows: Mapping[str, Row], known: Notices, now: datetime) -> Iterable[Row]:
    """What is to be told of the changes that were written: by route, those of one cause together."""
    by_id = {row["id"]: row for row in rows.values()}
    together: dict[tuple[str, str], list[Row]] = {}
    for written, number in done:
        if written.what:
            full = {**by_id.get(number, {}), **written.values}
            item = {"what": written.what, "alert": number, "document": full["document"], "level": full["level"]}
            item["document"] = {**item["document"], "assignee": full["assignee"]}
            for route in known.routes:
                if _goes(route, full, written.what):
                    together.setdefault((route.name, full["cause"]), []).append(item)
    for (name, _), items in together.items():
        found = known.route(name)
        if found is not None:
            yield message_row(found, items, known, now)


def message_row(route: Route, items: Sequence[Row], known: Notices, now: datetime) -> Row:
    """A row of the outbox; its key is the alerts that it tells and what happened to each, when.

    Args:
        route: Its way.
        items: ``what``, ``alert``, ``level`` and ``document`` of each alert.
        known: Quiet hours and digests.
        now: A naive UTC instant.
    """
    level = "alert" if any(item["level"] == "alert" for item in items) else "warn"
    moment, digest = known.when(route, now, level=level)
    told = "+".join(f"{item['alert']}:{item['what']}" for item in items)
    day = items[0]["document"]["as_of"]
    return {
        "dedup_key": f"{route.name}|{told}|{day}",
        "route": route.name,
        "digest": digest,
        "document": {"items": list(items)},
        "not_before": moment,
    }


def _goes(route: Route, row: Mapping[str, Any], what: str) -> bool:
    if what == "recovered" and not route.recoveries:
        return False
    is_data = row["kind"] == "missing"
    # missing data touches whoever reads the table: every way that carries its level
    return (row["level"] in route.levels) if is_data else route.carries(
        level=row["level"], owner=row["assignee"] or row["owner"], team=row["team"], kpi=row["kpi"]
    )  # fmt: skip
