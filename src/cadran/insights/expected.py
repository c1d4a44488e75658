"""What to expect of a cohort that is partly open, and the same as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.stats.conversion import Ages, Conversion, conversion

if TYPE_CHECKING:
    from cadran.engine.result import Figure, Outcomes

#: Share of a cohort whose outcome must be known before what is expected of it is a verdict.
MATURE = 0.5
#: Most points of a curve in a table or a document: one per age up to this many, then evenly spread.
MOST_POINTS = 60


def conversion_of(figure: Figure) -> Conversion | None:
    """The expected conversion of an ``incidence`` figure; None without any case."""
    if figure.outcomes is None:
        return None
    return conversion(_ages(figure.outcomes), _ages(figure.past), horizon=figure.kpi.window_days or 1)


def points(found: Conversion, most: int = MOST_POINTS) -> list[dict[str, Any]]:
    """The curve of a cohort and of past cases, age by age.

    Returns:
        For each age: ``age`` in days, ``share`` that has converted by then with ``low`` and ``high``,
        ``at_risk`` cases of the cohort still watched, ``past`` share of past cases. Null where
        nobody was watched.
    """
    every = range(found.horizon + 1)
    step = max(1, -(-len(every) // most))
    return [_point(found, age) for age in every if age % step == 0 or age == found.horizon]


def summary(found: Conversion) -> dict[str, Any]:
    """An expected conversion as plain values: counts, estimates by every convention, and the curve.

    Returns:
        Shares in 0..1, days as numbers, null where there is no value; see `points` for ``points``.
    """
    return {
        "horizon_days": found.horizon,
        "n": found.n,
        "converted": found.converted,
        "ended": found.ended,
        "open": found.pending,
        "maturity": found.maturity,
        "expected": found.expected,
        "low": found.interval.low if found.interval else None,
        "high": found.interval.high if found.interval else None,
        "of_created": found.of_created,
        "of_closed": found.of_closed,
        "median_days": found.median,
        "unknown": found.unknown,
        "n_past": found.n_past,
        "points": points(found),
    }


def _point(found: Conversion, age: int) -> dict[str, Any]:
    own, past, band = found.curve.at(age), found.past.at(age), found.curve.interval(age)
    return {
        "age": age,
        "share": own[0] if own else None,
        "low": band.low if band else None,
        "high": band.high if band else None,
        "at_risk": found.curve.watched(age),
        "past": past[0] if past else None,
    }


def _ages(found: Outcomes | None) -> Ages:
    if found is None:
        return Ages()
    return Ages(found.ages, found.converted, found.ended, found.open, found.joined)
