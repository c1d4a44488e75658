"""Next best actions in words: a summary by rule, in French and English, and the check of a rewritten one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cadran.i18n import format_interval, format_value, say, segment_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.catalogue.definition import Catalogue
    from cadran.catalogue.plays import Play
    from cadran.insights.next_actions import NextAction

_NUMBER = re.compile(r"\d+(?:[\s.,]\d+)*")
_RANK = re.compile(r"^\d+\. ", re.MULTILINE)


def summary(
    actions: Sequence[NextAction], plays: Mapping[str, Play], catalogue: Catalogue, currency: str, language: str
) -> str:
    """One paragraph per action, in order; a sentence when there is nothing to do.

    Args:
        actions: What to do, the best first.
        plays: Plays by id.
        catalogue: Definitions.
        currency: Base currency.
        language: ``fr`` or ``en``.
    """
    if not actions:
        return say("Nothing that was measured calls for an action now.", {}, language)
    told = (_told(each, plays[each.play], catalogue, currency, language) for each in actions)
    return "\n".join(f"{at}. {text}" for at, text in enumerate(told, 1))


def _told(action: NextAction, play: Play, catalogue: Catalogue, currency: str, language: str) -> str:
    kpi = catalogue.kpis[action.kpi][-1]
    segment = ", ".join(segment_name(value, language) for value in action.segment.values())
    values = [format_value(each, kpi.unit, currency, language) for each in (action.value, action.aim)]
    params: dict[str, object] = {
        "play": play.names.get(language, play.id),
        "kpi": kpi.name(language) + (f" ({segment})" if segment else ""),
        "value": values[0],
        "aim": values[1],
        "owner": play.owner.get(language, ""),
        "days": action.effort_days,
    }
    target = "{play}. {kpi} is at {value}, its target is {aim}. {owner}, about {days} days of work."
    usual = "{play}. {kpi} is at {value}, {aim} is usual. {owner}, about {days} days of work."
    text = say(target, params, language) if action.aim_is_target else say(usual, params, language)
    return f"{text} {_worth(action, currency, language)} {_tried(action, language)}".strip()


def _worth(action: NextAction, currency: str, language: str) -> str:
    if action.money is None:
        return say("No arithmetic leads from it to money.", {}, language)
    params = {"money": format_value(action.money, "money", currency, language)}
    if action.low is None or action.high is None:
        return say("Coming back is worth {money} in a quarter.", params, language)
    band = format_interval(float(action.low), float(action.high), "money", currency, language)
    return say("Coming back is worth {money} in a quarter ({band}).", {**params, "band": band}, language)


def _tried(action: NextAction, language: str) -> str:
    if not action.tried.n:
        return say("It was never tried and measured here.", {}, language)
    params = {"n": action.tried.n, "worked": action.tried.n_effect}
    return say("Tried {n} times here, {worked} with a measured effect.", params, language)


def keeps_numbers(text: str, source: str) -> bool:
    """True when every number of a text is one of the source: a rewrite must not bring figures of its own.

    Numbers are compared as they are written, spaces apart; those that number the lines are no figures.
    """
    known = set(_numbers(source))
    return all(number in known for number in _numbers(text))


def _numbers(text: str) -> list[str]:
    return [re.sub(r"\s", "", found) for found in _NUMBER.findall(_RANK.sub("", text))]
