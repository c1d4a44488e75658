"""What the pages of the loop show: the review of a team, decisions, alerts, and changes of contracts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.engine.query import KpiQuery
from cadran.i18n import segment_name
from cadran.insights.alert_record import status as alert_status
from cadran.insights.decision import track_record
from cadran.insights.decision_text import STATUSES, told
from cadran.insights.review import WHY_SAID
from cadran.jobs import alerts as alert_jobs
from cadran.jobs import contracts as contract_jobs
from cadran.jobs import decisions as decision_jobs
from cadran.jobs import review as review_jobs
from cadran.notify.message import written
from cadran.web.pages import team_boards
from cadran.web.slices import course

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.catalogue.definition import Board, Kpi
    from cadran.charts import Words
    from cadran.insights.decision import TrackRecord
    from cadran.insights.reading import Reading
    from cadran.view import View

Row = dict[str, Any]
#: Days after which an alert that is put aside comes back, unless another day is given.
ASIDE = 7


@dataclass(frozen=True)
class ReviewPage:
    """The review of a team.

    Attributes:
        boards: Teams on offer.
        board: The one shown.
        row: Its last review as it was kept, or None where none was prepared.
        is_old: True when data was read since.
        items: What it has to decide about, as people read it.
        actions: Open actions of the team, by deadline.
    """

    boards: tuple[Board, ...]
    board: Board
    row: Row | None
    is_old: bool
    items: tuple[Row, ...]
    actions: tuple[Row, ...]


def review_page(view: View, team: str, words: Words, today: date) -> ReviewPage:
    """The last review of a team, or of the first one.

    Raises:
        QueryError: No board has that name.
        StoreError: The application database cannot be used.
    """
    boards = tuple(team_boards(view.catalogue))
    board = review_jobs.board_of(view.catalogue, team) if team else boards[0]
    row = review_jobs.last_review(view.project, board.id)
    items = tuple(_item(item, view, words) for item in row["items"]) if row else ()
    open_ = [each for each in review_jobs.actions(view.project, is_open=True) if each["team"] == board.id]
    actions = tuple(review_jobs.action_record(each, today) for each in open_)
    is_old = row is not None and row["snapshot"] != view.meta.name
    return ReviewPage(boards, board, row, is_old, items, actions)


def _item(item: Mapping[str, Any], view: View, words: Words) -> Row:
    kept = item["document"]
    reading, change = kept["reading"], kept["reading"]["change"] or {}
    start, end = (date.fromisoformat(reading[name]) for name in ("period_start", "period_end"))
    segment = " · ".join(segment_name(value, words.language) for value in reading["segment"].values())
    unit = reading["unit"]
    return {
        "id": item["id"],
        "kpi": item["kpi"],
        "name": kpi_name(view, item["kpi"], words),
        "segment": segment,
        "period": words.period(start, end, short=True),
        "value": words.value(number(reading["value"]), unit),
        "interval": words.interval(reading["low"], reading["high"], unit) if reading["low"] is not None else "",
        "n": reading["n"],
        "delta": words.delta(number(change.get("delta")), unit) if change.get("delta") is not None else "",
        "is_favourable": change.get("is_favourable"),
        "money": words.value(Decimal(kept["money"]), "money") if kept["money"] is not None else "",
        "certainty": words.value(kept["certainty"], "rate", "round"),
        "why": words.say(WHY_SAID[kept["why"]]),
        "is_off": kept["why"] != "moved",
        "is_open": item["closed_at"] is None,
        "action": item["action"],
        "reason": item["no_action_reason"],
        "owner": _owner(view, item["kpi"]),
        "hypothesis": _hypothesis(view, item["kpi"], words),
    }


@dataclass(frozen=True)
class DecisionsPage:
    """What was decided, and what it changed.

    Attributes:
        rows: Each decision as people read it, the newest first.
        record: How well those who decided predicted.
    """

    rows: tuple[Row, ...]
    record: TrackRecord


def decisions_page(view: View, words: Words, today: date) -> DecisionsPage:
    """Every decision with its effect.

    Raises:
        StoreError: The application database cannot be used.
    """
    found = decision_jobs.decisions(view.project)
    rows = []
    for each in reversed(found):
        plan, kpi = each.plan, _kpi(view, each.plan.kpi)
        unit = kpi.unit if kpi else "count"
        effect = each.effect
        rows.append(
            {
                "id": each.id,
                "title": plan.title,
                "owner": plan.owner,
                "kpi": plan.kpi,
                "name": kpi_name(view, plan.kpi, words),
                "segment": " · ".join(plan.predicates),
                "control": " · ".join(plan.control),
                "window": f"{words.day(plan.after.start)} – {words.day(plan.after.end - timedelta(days=1))}",
                "expected": words.delta(plan.expected, unit),
                "effect": told(effect, unit, words.currency, words.language) if effect else "",
                "outcome": effect.outcome if effect else "",
                "is_held": each.is_held,
                "is_late": each.is_late,
                "due": words.day(plan.due_on),
                "status": each.status(today),
                "said": words.say(STATUSES[each.status(today)]),
                "version": each.version,
            }
        )
    return DecisionsPage(tuple(rows), track_record(found, today))


def alerts_page(view: View, words: Words, *, every: bool) -> tuple[Row, ...]:
    """Alerts that last, or all of them, newest first, as their reader is told.

    Raises:
        StoreError: The application database cannot be used.
    """
    found = []
    for row in alert_jobs.alerts(view.project, every=every):
        what = "recovered" if row["recovered_at"] else "raised"
        document = {**row["document"], "assignee": row["assignee"]}
        (item,) = written([{"what": what, "alert": row["id"], "document": document}], words, key="").items
        found.append(
            {
                "id": row["id"],
                "level": row["level"],
                "kpi": row["kpi"],
                "kind": row["kind"],
                # the mark and what happened are told by the pill
                "title": item.title.split(" · ", 1)[1],
                "lines": item.lines,
                "status": alert_status(row),
                "until": row["quiet_until"],
                "events": row["events"],
                "is_known": row["kpi"] in view.catalogue.kpis,
            }
        )
    return tuple(found)


@dataclass(frozen=True)
class ChangePage:
    """A change of a contract.

    Attributes:
        row: The change as it was proposed and decided.
        kpi: The KPI as it is in force, or None when it is no longer defined.
        status: ``proposed``, ``approved`` or ``refused``.
        figures: Period, segment, value by each version and difference, as people read them.
        course: Readings over time as they are in force, with the break; empty for a KPI that is always broken down.
    """

    row: Row
    kpi: Kpi | None
    status: str
    figures: tuple[tuple[str, str, str, str, str], ...]
    course: tuple[Reading, ...]


def changes_page(view: View, words: Words) -> tuple[Row, ...]:
    """Every change of a contract, the newest first.

    Raises:
        StoreError: The application database cannot be used.
    """
    rows = reversed(contract_jobs.history(view.project))
    return tuple(
        {**row, "status": contract_jobs.status_of(row), "name": kpi_name(view, row["kpi"], words)} for row in rows
    )


def change_page(view: View, number_: int, words: Words, today: date) -> ChangePage:
    """One change with both versions side by side.

    Raises:
        QueryError: No change has that number.
        StoreError: The application database cannot be used.
    """
    row = contract_jobs.change(view.project, number_)
    kpi, shown = _kpi(view, row["kpi"]), row["shown"]
    figures = tuple(_figures(pair, shown["unit"], words) for pair in shown["figures"])
    readings: Sequence[Reading] = ()
    if kpi and not kpi.default_by and "month" in kpi.grains:
        calendar = view.project.calendar
        span = course(calendar, calendar.containing(today - timedelta(days=1), "month"), "month", today)
        readings = view.ask(KpiQuery((kpi.id,), grain="month", start=span.start, end=span.end)).readings
    return ChangePage(row, kpi, contract_jobs.status_of(row), figures, tuple(readings))


def _figures(pair: Mapping[str, Any], unit: str, words: Words) -> tuple[str, str, str, str, str]:
    start, end = (date.fromisoformat(pair[name]) for name in ("period_start", "period_end"))
    old, new = (number(pair[side]["value"]) if pair[side] else None for side in ("old", "new"))
    delta = "" if old is None or new is None else words.delta(new - old, unit)
    segment = " · ".join(segment_name(value, words.language) for value in pair["segment"].values())
    return words.period(start, end, short=True), segment, words.value(old, unit), words.value(new, unit), delta


def number(value: Any) -> Decimal | None:
    """A value that was kept as JSON, or None."""
    return None if value is None else Decimal(str(value))


def kpi_name(view: View, name: str, words: Words) -> str:
    """What a KPI is called; its id when it is no longer defined."""
    kpi = _kpi(view, name)
    return kpi.name(words.language) if kpi else name


def _kpi(view: View, name: str) -> Kpi | None:
    return view.catalogue.kpis[name][-1] if name in view.catalogue.kpis else None


def _owner(view: View, name: str) -> str:
    kpi = _kpi(view, name)
    return kpi.owner if kpi else ""


def _hypothesis(view: View, name: str, words: Words) -> str:
    kpi = _kpi(view, name)
    return kpi.hypothesis.get(words.language, "") if kpi else ""
