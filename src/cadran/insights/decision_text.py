"""What a decision is measured to have changed, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.i18n import format_delta, say

if TYPE_CHECKING:
    from cadran.insights.decision import Effect

STATUSES = {"waiting": "waiting", "to_measure": "to measure", "measured": "measured"}
#: What an outcome says, for those that have nothing more to say.
OUTCOMES = {
    "effect": "Detectable effect.",
    "no_effect": "No detectable effect.",
    "too_few": "Too few cases to conclude.",
    "cannot_tell": "Cannot be measured.",
    "not_yet": "Not measured yet.",
}


def told(effect: Effect, unit: str, currency: str, language: str) -> str:
    """An effect in a sentence: its value and interval, or why there is none."""
    if effect.value is None or effect.low is None or effect.high is None:
        return why(effect, language)
    value, low, high = (
        format_delta(each, unit, currency, language) for each in (effect.value, effect.low, effect.high)
    )
    said = say("{value} ({low} to {high})", {"value": value, "low": low, "high": high}, language)
    parts = [said, say("per week", {}, language) if effect.is_weekly else ""]
    parts += [say(OUTCOMES[effect.outcome], {}, language) if effect.outcome != "effect" else ""]
    drifted = "The two segments were already moving apart before."
    parts += [say(drifted, {}, language) if effect.has_drifted else ""]
    return " ".join(part for part in parts if part)


def why(effect: Effect, language: str) -> str:
    """What an outcome says, with its reason."""
    said = say(OUTCOMES[effect.outcome], {}, language)
    return f"{said} {say(effect.reason, effect.params, language)}" if effect.reason else said
