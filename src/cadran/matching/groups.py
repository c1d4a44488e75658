"""Pairs of records → groups of records that are one, never joining what people told apart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Share of the pairs between two groups that a model must find likely before it joins them: one near match
#: between two groups is more often a mistake than the link that was missing.
SUPPORT = 0.3
#: Most records of one group that a model may make: chains of near matches end somewhere.
MOST_RECORDS = 20


AS_LIKELY_AS_NOT = 0.5


@dataclass(frozen=True, order=True)
class Pair:
    """Two records of one kind, by their ids in order.

    Attributes:
        one: The lesser id.
        other: The greater id.
        chance: Probability in [0, 1] that they are the same; 1 for what a person said.
    """

    one: str
    other: str
    chance: float = 1.0

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids."""
        return self.one, self.other


def pair(one: str, other: str, chance: float = 1.0) -> Pair:
    """The pair of two ids, whatever their order."""
    return Pair(min(one, other), max(one, other), chance)


def groups(
    pairs: Iterable[Pair],
    apart: Iterable[tuple[str, str]] = (),
    *,
    least: float = 0.0,
    support: float = 0.0,
    most: int | None = MOST_RECORDS,
) -> list[tuple[str, ...]]:
    """The groups of two or more records that pairs join, likeliest first.

    The same whatever the order of the pairs: they are taken by falling probability, then by id. A pair
    that would join two records which were told apart, or make a group larger than `most`, joins nothing.

    Args:
        pairs: Records that may be one.
        apart: Pairs of ids, the lesser first, of which somebody said that they are two.
        least: Probability from which on a pair joins.
        support: Share of the pairs between two groups that must be as likely as not before they are joined.
        most: Most records of one group; None for any number.

    Returns:
        Ids of each group in order; groups in the order of their first id.
    """
    given = sorted(pairs, key=lambda pair: (-pair.chance, pair.ids))
    likely = {each.ids for each in given if each.chance >= AS_LIKELY_AS_NOT} if support else set()
    members: dict[str, set[str]] = {}
    enemies: dict[str, set[str]] = defaultdict(set)
    for one, other in apart:
        enemies[one].add(other)
        enemies[other].add(one)
    for each in (pair for pair in given if pair.chance >= least):
        left = members.setdefault(each.one, {each.one})
        right = members.setdefault(each.other, {each.other})
        is_too_large = most is not None and len(left) + len(right) > most
        if left is right or is_too_large or any(enemies[record] & right for record in left if record in enemies):
            continue
        if support and _shared(left, right, likely) < support:
            continue
        small, large = sorted((left, right), key=len)
        large |= small
        members |= dict.fromkeys(small, large)
    found = {min(group): tuple(sorted(group)) for group in members.values() if len(group) > 1}
    return [found[first] for first in sorted(found)]


def _shared(left: set[str], right: set[str], likely: set[tuple[str, str]]) -> float:
    """Share of the pairs between two groups that are likely."""
    n = sum((min(one, other), max(one, other)) in likely for one in left for other in right)
    return n / (len(left) * len(right))
