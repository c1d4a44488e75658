"""What deserves somebody's attention: rules of contracts, anomalies and missing data, as signals; and what changed.

Evaluation is pure. `alert_rules` and `alert_watch` say of each rule and segment whether it holds, does not, or
cannot be told; `changes` compares that with the alerts that last and gives one change per state change: raised,
escalated, eased, recovered, reminded, returned. What cannot be told changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal


Level = Literal["warn", "alert"]
Kind = Literal["threshold", "target", "usual", "anomaly", "missing"]
State = Literal["raised", "clear", "unknown"]
What = Literal["raised", "escalated", "eased", "recovered", "reminded", "returned"]
#: Judged periods in a row without it that end an anomaly; rules have their own edge to recover at.
CALM = 2
#: How many days after which an alert that nobody took is told again.
REMIND = 14


@dataclass(frozen=True)
class Signal:
    """One rule, or watch, in one segment, on one day.

    Attributes:
        key: What makes it the same from one day to the next: KPI, kind, side and segment.
        cause: What it shares with others that have the same cause.
        kind: Which kind of rule.
        level: How much it matters.
        kpi: KPI id; for missing data, the first of those that it touches.
        owner: Who answers for it.
        team: Team of the KPI.
        segment: Dimension values; empty for all.
        state: Whether it holds.
        start: First day of the newest period judged.
        end: First day after it.
        since: First day of the period in which it began.
        value: What came; None for missing data.
        usual: What it is held against: level, target, or what was expected.
        low: Lower edge of the range, or None.
        high: Upper edge.
        n: Cases.
        money: Money at stake, signed, in the base currency, or None where it is not known.
        is_favourable: True, False, or None where the KPI has no direction.
        shape: For anomalies, what it looks like.
        where: Predicates that keep its rows.
        with_it: Keys of what moved with it: KPI and segment.
        entity: For missing data, the table.
    """

    key: str
    cause: str
    kind: Kind
    level: Level
    kpi: str
    owner: str
    team: str
    segment: Mapping[str, str | None]
    state: State
    start: date
    end: date
    since: date
    value: float | None = None
    usual: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    money: Decimal | None = None
    is_favourable: bool | None = None
    shape: str = ""
    where: tuple[str, ...] = ()
    with_it: tuple[tuple[str, Mapping[str, str | None]], ...] = ()
    entity: str = ""


@dataclass(frozen=True)
class Lasting:
    """An alert that was raised and has not recovered.

    Attributes:
        key: See `Signal`.
        level: Level that was last told.
        told_on: Day on which it was last told.
        calm: Ends of the periods in a row in which it did not hold.
        quiet_until: Day until which somebody put it aside, or None.
    """

    key: str
    level: Level
    told_on: date
    calm: tuple[date, ...] = ()
    quiet_until: date | None = None


@dataclass(frozen=True)
class Change:
    """What became of one alert.

    Attributes:
        what: What happened; empty when nothing is to be told.
        signal: The signal.
        lasting: How it stands now; None when it has recovered.
    """

    what: What | Literal[""]
    signal: Signal
    lasting: Lasting | None


def held_back(signals: Iterable[Signal], missing: Iterable[Signal], resting: Iterable[str] = ()) -> tuple[Signal, ...]:
    """The signals with those unknown whose data has not come: a late table is one alert, not many.

    Args:
        signals: Of one day.
        missing: Those of them that say which tables have not come, with the KPIs that were to be judged.
        resting: Further KPIs that rest on these tables.
    """
    waiting = {name for each in missing for name, _ in each.with_it} | set(resting)
    return tuple(
        replace(each, state="unknown") if each.kpi in waiting and each.kind != "missing" else each for each in signals
    )


def changes(signals: Iterable[Signal], lasting: Mapping[str, Lasting], today: date) -> tuple[Change, ...]:
    """What changed, one change per alert at most.

    Args:
        signals: Today's.
        lasting: Alerts that have not recovered, by key.
        today: The company's day.
    """
    found = (_changed(signal, lasting.get(signal.key), today) for signal in signals)
    return tuple(each for each in found if each is not None)


def _changed(signal: Signal, before: Lasting | None, today: date) -> Change | None:
    if before is None:
        if signal.state != "raised":
            return None
        return Change("raised", signal, Lasting(signal.key, signal.level, today))
    if signal.state == "unknown":
        return None
    if signal.state == "clear":
        return _calmed(signal, before)
    now = replace(before, calm=(), level=signal.level)
    if signal.level != before.level:
        what: What = "escalated" if signal.level == "alert" else "eased"
        return Change(what, signal, replace(now, told_on=today))
    return _again(signal, now, today)


def _calmed(signal: Signal, before: Lasting) -> Change:
    calm = before.calm if signal.end in before.calm else (*before.calm, signal.end)
    needed = CALM if signal.kind == "anomaly" else 1
    if len(calm) >= needed:
        return Change("recovered", signal, None)
    return Change("", signal, replace(before, calm=calm))


def _again(signal: Signal, now: Lasting, today: date) -> Change:
    """An alert that still holds: told again when somebody's delay is over, or when nobody took it for long."""
    if now.quiet_until is not None:
        if today < now.quiet_until:
            return Change("", signal, now)
        return Change("returned", signal, replace(now, told_on=today, quiet_until=None))
    if (today - now.told_on).days >= REMIND:
        return Change("reminded", signal, replace(now, told_on=today))
    return Change("", signal, now)
