"""The shape of each kind of YAML entry: its keys, and what reads each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from cadran.canonical.entities import ENTITIES, day_of
from cadran.catalogue import fields
from cadran.catalogue.approval import Approval
from cadran.catalogue.definition import Aggregation, AlertRule, Benchmark, Measure, Note, Target
from cadran.period import GRAINS

if TYPE_CHECKING:
    from cadran.record import Record

INTERVALS = ("wilson", "mean", "delta", "median", "survival", "incidence", "range", "lifetime", "none")
FUNNEL = ("acquisition", "activation", "conversion", "expansion", "retention")
CADENCES = ("daily", "weekly", "monthly", "quarterly")


def _measure(record: Record, found: dict[str, Any]) -> Measure:
    default = ENTITIES[found["entity"]].time
    found.setdefault("time", default if default.endswith("_on") else day_of(default))
    return Measure(**found, places=fields.places_of(record))


def _entity(value: Any, where: str) -> str:
    name = fields.text(value, where)
    if name not in ENTITIES:
        raise fields.unknown("No entity is named {name}.", name, ENTITIES, where)
    return name


MEASURE = fields.Shape(
    "a measure",
    {
        "entity": _entity,
        "agg": fields.choice(*get_args(Aggregation)),
        "balance": fields.flag,
        "at_end": fields.flag,
        "required": fields.flag,
        "missing_what": fields.choice("rate", "margin"),
        **dict.fromkeys(("expr", "where", "time", "event", "missing"), fields.text),
    },
    required=("entity",),
)
TARGET = fields.Shape(
    "a target",
    {
        "value": fields.number,
        "high": fields.number,
        "segment": fields.by_name,
        "start": fields.day,
        "end": fields.day,
    },
    required=("value",),
)
BENCHMARK = fields.Shape(
    "a benchmark",
    {
        "low": fields.number,
        "high": fields.number,
        "source": fields.text,
        "year": fields.whole,
        "grade": fields.choice("A", "B", "C"),
        "market": fields.text,
        "segment": fields.by_name,
        "note": fields.localised,
    },
    required=("source", "grade"),
)
ALERT = fields.Shape(
    "an alert",
    {
        "level": fields.choice("warn", "alert"),
        "below": fields.number,
        "above": fields.number,
        "by": fields.texts,
        "min_n": fields.whole,
        "for_periods": fields.whole,
        "against": fields.choice("level", "target", "usual"),
        "recover": fields.number,
        "window": fields.whole,
        "certainty": fields.number,
        "until_share": fields.number,
    },
    required=("level",),
)
APPROVAL = fields.Shape(
    "an approval",
    {"by": fields.text, "on": fields.day, "reason": fields.text, "restated_until": fields.day},
    required=("by", "on", "reason"),
)
NOTE = fields.Shape(
    "a note", {"when": fields.text, "text": fields.localised, "undefined": fields.flag}, required=("when", "text")
)
_measure_reader = fields.nested(MEASURE, _measure)
target_reader = fields.several(fields.nested(TARGET, lambda _, found: Target(**found)))
KPI = fields.Shape(
    "a KPI",
    {
        **dict.fromkeys(("version", "expression", "low", "high", "owner", "team", "oracle", "zone"), fields.text),
        **dict.fromkeys(("names", "descriptions", "formula", "scope", "hypothesis"), fields.localised),
        **dict.fromkeys(("dimensions", "default_by", "sources", "variants", "cost_lines"), fields.texts),
        **dict.fromkeys(("numerator", "denominator", "n"), _measure_reader),
        **dict.fromkeys(("effective_from", "effective_to"), fields.day),
        "kind": fields.choice("simple", "ratio", "cumulative", "derived", "conversion"),
        "unit": fields.choice("rate", "count", "money", "money_per_day", "days", "hours", "months", "multiple"),
        "direction": fields.choice("up", "down", "band", "none"),
        "basis": fields.choice("period", "cohort", "balance"),
        "interval": fields.choice(*INTERVALS),
        "funnel": fields.choice(*FUNNEL),
        "cadence": fields.choice(*CADENCES),
        "grains": fields.choices(*GRAINS),
        "inputs": fields.by_name,
        "window_days": fields.whole,
        "trailing": fields.trailing,
        "min_n": fields.whole,
        "is_vanity": fields.flag,
        "targets": target_reader,
        "benchmarks": fields.several(
            fields.nested(BENCHMARK, lambda _, found: Benchmark(**{"low": None, "high": None, **found}))
        ),
        "notes": fields.several(fields.nested(NOTE, lambda _, found: Note(**found))),
        "approval": fields.nested(APPROVAL, lambda _, found: Approval(**found)),
        "alerts": fields.several(fields.nested(ALERT, lambda _, found: AlertRule(**found))),
    },
    required=("names", "kind", "unit", "direction"),
)
DIMENSION = fields.Shape("a dimension", {"labels": fields.localised, "columns": fields.by_name}, ("labels",))
BOARD = fields.Shape(
    "a board",
    {"labels": fields.localised, "questions": fields.localised, "kpis": fields.texts, "reason": fields.text},
    required=("labels", "kpis"),
)

#: Models that follow a rule, and those that are fitted to the journeys.
RULE_MODELS = ("first", "last", "linear", "u_shaped", "w_shaped", "time_decay", "full_path")
DATA_MODELS = ("shapley", "markov_1", "markov_2", "hazard")
ATTRIBUTION = fields.Shape(
    "attribution",
    {
        **dict.fromkeys(("lookback_days", "half_life_days", "min_wins"), fields.whole),
        "touch_types": fields.texts,
        "models": fields.choices(*RULE_MODELS, *DATA_MODELS),
        "default": fields.choice(*RULE_MODELS, *DATA_MODELS),
    },
)
