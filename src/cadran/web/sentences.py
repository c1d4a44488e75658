"""What a reading says, in a sentence or in a word, written by rule from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cadran.catalogue import words as contract_words
from cadran.catalogue.words import CADENCES, DATED
from cadran.charts.verdict import STATUSES, VERDICTS, Badge, badge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cadran.catalogue.definition import Benchmark, Catalogue, Kpi, Target
    from cadran.charts import Words
    from cadran.insights.reading import Reading

__all__ = ["CADENCES", "DATED", "STATUSES", "VERDICTS", "Badge", "badge"]

#: What people take each basis for.
BASES = {
    "period": "Both parts are dated by when they happened in the period: it does not follow one group of cases.",
    "cohort": "It follows the cases that started in the period: it does not say what happened in the period.",
    "balance": "It is a balance at the end of the period: it is not a sum over the period.",
}


def reason(reading: Reading, words: Words) -> str:
    """Why the value is missing or cannot be relied on; empty when it can."""
    template = reading.reason or reading.figure.reason
    params = reading.reason_params or reading.figure.reason_params
    if not template and reading.value is None:
        template = "The value is undefined."
    return words.say(template, **dict(params)) if template else ""


def target_text(kpi: Kpi, target: Target, words: Words) -> str:
    """The level to reach, with its sense, such as ``≥ 28 %``."""
    return contract_words.target_text(kpi, target, words.currency, words.language)


def benchmark_text(kpi: Kpi, benchmark: Benchmark, words: Words) -> str:
    """What others reach, with its market, source, year and grade."""
    return contract_words.benchmark_text(kpi, benchmark, words.currency, words.language)


def verdict_sentence(reading: Reading, words: Words) -> str:
    """What the target and the interval together allow to say."""
    if reading.status != "ok":
        return reason(reading, words)
    if reading.target is None:
        return words.say("No target is set for this period.")
    if reading.figure.history_from:
        return reason(reading, words)
    target = target_text(reading.kpi, reading.target, words)
    if reading.figure.partial:
        return words.say("The period is not over: no verdict against the target {target} yet.", target=target)
    template = {
        "on_track": "The target {target} is reached, interval included.",
        "watch": "Near the target {target}: to be watched.",
        "off_track": "The target {target} is missed, interval included.",
    }.get(reading.verdict, "The interval contains the target {target}: the data cannot tell.")
    needed = ""
    if reading.verdict == "cannot_tell" and reading.n_needed:
        needed = " " + words.say("It would take about {n:,} cases.", n=reading.n_needed)
    return words.say(template, target=target) + needed


def headline(readings: Sequence[Reading], words: Words) -> str:
    """What the boards say, in one sentence: what is off target first, then what cannot be told."""
    off = [reading for reading in readings if badge(reading, words).key == "off_track"]
    unsure = [reading for reading in readings if badge(reading, words).key == "cannot_tell"]
    good = [reading for reading in readings if badge(reading, words).key == "on_track"]
    if off:
        names = ", ".join(dict.fromkeys(reading.kpi.name(words.language) for reading in off[:2]))
        template = "One KPI is off target: {names}" if len(off) == 1 else "{n} KPIs are off target, first {names}"
        return words.say(template, n=len(off), names=names)
    if good and not unsure:
        return words.say("Every KPI that has a verdict is on target")
    if good or unsure:
        return words.say("{good} KPIs on target; for {unsure} the data cannot tell", good=len(good), unsure=len(unsure))
    return words.say("No verdict for this period")


def is_not(kpi: Kpi, catalogue: Catalogue, words: Words) -> list[str]:
    """What people take the KPI for and what it is not: its basis, its kind and its variants."""
    found = [words.say(BASES[kpi.basis])]
    if kpi.unit == "rate" and kpi.kind != "derived":
        found.append(words.say("A total is computed from the sums: it is not the mean of the segments."))
    for name in kpi.variants:
        if name in catalogue.kpis and name != kpi.id:
            other = catalogue.kpi(name)
            formula = other.formula.get(words.language, "")
            found.append(words.say("It is not “{name}”: {formula}", name=other.name(words.language), formula=formula))
    return found
