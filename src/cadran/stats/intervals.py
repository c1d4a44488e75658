"""Intervals of rates, means and ratios of sums.

Every function takes sufficient statistics (counts and sums) and returns a two-sided `Interval`,
or None where there are too few cases to say anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A range that holds the true value with a stated confidence.

    Attributes:
        low: Lower edge.
        high: Upper edge.
        level: Coverage in (0, 1).
    """

    low: float
    high: float
    level: float = 0.95

    def holds(self, value: float) -> bool:
        """True when the value lies in the interval, its edges included."""
        return self.low <= value <= self.high


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval | None:
    """Confidence interval of a rate by Wilson's score method.

    Args:
        successes: Number won, 0 ≤ successes ≤ trials.
        trials: Number decided.
        level: Coverage in (0, 1).

    Returns:
        Bounds as shares in [0, 1], or None when trials is 0 or successes lie outside 0..trials.

    References:
        Wilson (1927); Brown, Cai and DasGupta (2001) recommend it for small n.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        return None
    found = score_interval(successes / trials, trials, level=level)
    # the edges are exactly 0 and 1 when nothing or everything is won; rounding would miss them
    low = 0.0 if successes == 0 else found.low
    high = 1.0 if successes == trials else found.high
    return Interval(low, high, level)


def score_interval(rate: float, trials: float, *, level: float = 0.95) -> Interval:
    """Wilson's interval of a rate that stands for a number of cases, which need not be whole.

    Args:
        rate: Share in [0, 1].
        trials: Cases that the rate is worth, above 0.
        level: Coverage in (0, 1).
    """
    z = normal_quantile(level)
    centre = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return Interval(max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0), level)


def exact_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval | None:
    """Confidence interval of a rate that never covers less than it says, however few the cases.

    Wilson's is shorter, but where rates are high and cases few its tail beyond a high level is several times too light.

    Args:
        successes: Number won, 0 ≤ successes ≤ trials.
        trials: Number decided.
        level: Coverage in (0, 1), at least.

    Returns:
        Bounds as shares in [0, 1], or None when trials is 0 or successes lie outside 0..trials.

    References:
        Clopper and Pearson (1934).
    """
    from scipy import special  # noqa: PLC0415 - takes a while to load

    if trials <= 0 or not 0 <= successes <= trials:
        return None
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(special.betaincinv(successes + 1, trials - successes, 1 - tail))
    return Interval(low, high, level)


def upper_of_none(trials: int, *, level: float = 0.95) -> float:
    """The highest rate that is still compatible with no success at all.

    Args:
        trials: Number decided, at least 1.
        level: One-sided coverage in (0, 1).

    Returns:
        The exact upper bound in (0, 1], ``1 - (1 - level) ** (1 / trials)``.

    References:
        Clopper and Pearson (1934), the case of no success.
    """
    return float(-math.expm1(math.log1p(-level) / trials))


def mean_interval(n: int, total: float, squares: float, *, level: float = 0.95) -> Interval | None:
    """Confidence interval of a mean by Student's t.

    Args:
        n: Number of cases.
        total: Sum over the cases.
        squares: Sum of squares over the cases.
        level: Coverage in (0, 1).

    Returns:
        Bounds in the unit of the cases, or None with fewer than two cases.
    """
    if n <= 1:
        return None
    mean = total / n
    variance = max(squares - n * mean * mean, 0.0) / (n - 1)
    half = student_quantile(n - 1, level) * math.sqrt(variance / n)
    return Interval(mean - half, mean + half, level)


def ratio_interval(  # noqa: PLR0913 - the six sums of the delta method
    n: int, x: float, y: float, xx: float, yy: float, xy: float, *, level: float = 0.95
) -> Interval | None:
    """Confidence interval of a ratio of sums over the same cases, by the delta method.

    Args:
        n: Number of cases.
        x: Sum of the numerator.
        y: Sum of the denominator.
        xx: Sum of squares of the numerator.
        yy: Sum of squares of the denominator.
        xy: Sum of products.
        level: Coverage in (0, 1).

    Returns:
        Bounds in the unit of the ratio, or None with fewer than two cases or a denominator of 0.

    References:
        Cochran, Sampling Techniques (1977), section 6.3: the variance of a ratio estimate.
    """
    if n <= 1 or y == 0:
        return None
    ratio = x / y
    residual = max(xx - 2 * ratio * xy + ratio * ratio * yy, 0.0) / (n - 1)
    half = student_quantile(n - 1, level) * math.sqrt(n * residual) / abs(y)
    return Interval(ratio - half, ratio + half, level)


def cases_to_tell(rate: float, target: float, *, level: float = 0.95) -> int | None:
    """How many cases it takes before an interval around this rate leaves the target out.

    Args:
        rate: Rate seen, in [0, 1].
        target: Rate to tell it from.
        level: Coverage in (0, 1).

    Returns:
        The smallest number of cases in all for which Wilson's interval excludes the target if the
        rate stays as it is, or None when the two are equal or the rate is no share.
    """
    if rate == target or not 0 <= rate <= 1:
        return None
    z = normal_quantile(level)
    # Wilson's interval excludes the target when |rate - target| > z * sqrt(target * (1 - target) / n)
    return math.ceil(z * z * max(target * (1 - target), 0.0) / (rate - target) ** 2) or 1


def normal_quantile(level: float) -> float:
    """Half-width, in standard errors, of a two-sided normal interval of that coverage."""
    from scipy import special  # noqa: PLC0415 - takes a while to load, and answers without intervals do without

    return float(special.ndtri(0.5 + level / 2))


def student_quantile(freedom: float, level: float) -> float:
    """Half-width, in standard errors, of a two-sided interval of that coverage by Student's law."""
    from scipy import special  # noqa: PLC0415 - as above

    return float(special.stdtrit(freedom, 0.5 + level / 2))
