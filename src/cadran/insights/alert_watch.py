"""What the watch over all series says, as signals: one per movement, and one per table that has not come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cadran.insights.alerts import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cadran.insights.anomalies import Anomalies, Anomaly, Missing


def anomaly_signals(found: Anomalies) -> tuple[Signal, ...]:
    """The signals of what moved: one per group, told by its leading member.

    An anomaly that was raised before is clear where nothing of its series is raised any more; see `clear_signals`.
    """
    return tuple(_of_group(members, found) for members in found.groups)


def missing_signals(found: Anomalies) -> tuple[Signal, ...]:
    """The signals of tables whose last days have not come: one per table, whichever of its days tell it.

    They have one cause, so that a late export that many tables rest on is one message.
    """
    tables: dict[str, list[Missing]] = {}
    for each in found.missing:
        tables.setdefault(each.entity, []).append(each)
    return tuple(_of_table(name, each, found) for name, each in tables.items())


def _of_table(entity: str, late: Sequence[Missing], found: Anomalies) -> Signal:
    names = tuple(dict.fromkeys(name for each in late for name in each.kpis))
    since = min(each.since for each in late)
    return Signal(
        key=f"missing|{entity}", cause="missing", kind="missing", level="alert", kpi=names[0], owner="", team="",
        segment={}, state="raised", start=since, end=found.end, since=since, entity=entity,
        with_it=tuple((name, {}) for name in names),
    )  # fmt: skip


def clear_signals(kept: Iterable[Signal], signals: Iterable[Signal], found: Anomalies) -> tuple[Signal, ...]:
    """What no longer holds of the anomalies and missing tables that last, which say nothing when they are over.

    Args:
        kept: Signals by which the alerts that last were raised.
        signals: Those of today.
        found: Today's anomalies; where nothing could be judged, nothing is over.
    """
    raised = {signal.key for signal in signals}
    waiting = {name for each in found.missing for name in each.kpis}
    over = []
    for each in kept:
        if each.kind not in ("anomaly", "missing") or each.key in raised:
            continue
        is_told = each.kind == "missing" or (not found.reason and each.kpi not in waiting)
        start = found.start
        over.append(replace(each, state="clear" if is_told else "unknown", start=start, end=found.end))
    return tuple(over)


def _of_group(members: Sequence[Anomaly], found: Anomalies) -> Signal:
    first = members[0]
    side = "above" if first.value > first.expected else "below"
    parts = "&".join(f"{name}={value}" for name, value in sorted(first.segment.items()))
    return Signal(
        key=f"{first.kpi.id}|anomaly|{side}|{parts}",
        cause=first.kpi.id,
        kind="anomaly",
        level="warn",
        kpi=first.kpi.id,
        owner=first.kpi.owner,
        team=first.kpi.team,
        segment=dict(first.segment),
        state="raised",
        start=found.start,
        end=found.end,
        since=first.since,
        value=first.value,
        usual=first.expected,
        low=first.low,
        high=first.high,
        n=first.n,
        money=max((each.money for each in members if each.money is not None), key=abs, default=None),
        is_favourable=first.is_favourable,
        shape=first.shape,
        where=first.where,
        with_it=tuple((each.kpi.id, dict(each.segment)) for each in members[1:]),
    )


def same_group(signal: Signal, kept: Iterable[Signal]) -> Signal:
    """The signal under the key of the alert that lasts for the same movement, whose leader may be another one.

    Args:
        signal: An anomaly of today.
        kept: Signals by which the alerts that last were raised.
    """
    if signal.kind != "anomaly":
        return signal
    side = signal.key.split("|")[2]
    mine = {_name(signal.kpi, signal.segment), *(_name(*each) for each in signal.with_it)}
    for each in kept:
        theirs = {_name(each.kpi, each.segment), *(_name(*other) for other in each.with_it)}
        if each.kind == "anomaly" and each.key.split("|")[2] == side and mine & theirs:
            return replace(signal, key=each.key, cause=each.cause)
    return signal


def _name(kpi: str, segment: Mapping[str, str | None]) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    return kpi, tuple(sorted(segment.items()))
