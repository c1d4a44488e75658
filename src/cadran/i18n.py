"""What people read: messages in French or English, numbers, money, dates and period names.

Messages are English templates with named fields; `say` translates one with the catalogues of
``locale/<language>/*.po`` and fills it in. Numbers follow the company's typography and not the
bare CLDR patterns: ``25,0 %`` and ``25.0%``, ``1 234,5 k€`` and ``€1,234.5k``, a true minus sign,
differences of rates in points. Rounding happens here and nowhere before.
"""

from __future__ import annotations

import functools
import re
import string
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from babel import dates, negotiate_locale, numbers
from babel.messages.pofile import read_po

from cadran.config import LANGUAGES
from cadran.errors import CadranError, Issue
from cadran.period import GRAINS, Calendar, Grain, Period, Trailing, as_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

Number = int | float | Decimal
#: ``normal`` in tables and sentences; ``compact`` on tiles and axes (millions from 1 M€);
#: ``round`` like it without needless zeros, for targets; ``exact`` every digit, for rows and tooltips.
Style = Literal["normal", "compact", "round", "exact"]

NBSP = "\u00a0"
THIN = "\u202f"
MINUS = "\u2212"
MISSING = "–"

_UNITS = {
    "days": {"fr": "j", "en": "d"},
    "hours": {"fr": "h", "en": "h"},
    "months": {"fr": "mois", "en": "mo"},
    "multiple": {"fr": "×", "en": "×"},
}
_WINDOWS = {"m": "{n}-month window", "w": "{n}-week window", "d": "{n}-day window"}
_BEFORE = re.compile(r" ([:;?!%»])")
_AFTER = re.compile(r"« ")


@dataclass(frozen=True)
class Said:
    """A text that is written in each language beside the data, with its fields, as a field of a sentence.

    Attributes:
        texts: Template by language.
        params: Values of its fields.
    """

    texts: Mapping[str, str]
    params: Mapping[str, object]

    def text(self, language: str) -> str:
        """The text in that language, or in English."""
        template = self.texts.get(language) or self.texts.get("en", "")
        return _Fields(language).vformat(template, (), self.params)


def say(template: str, params: Mapping[str, object], language: str) -> str:
    """The sentence that a template says in that language, with its fields filled in.

    Args:
        template: English template, which is also the key of its translation.
        params: Values of the fields. Decimals, floats and dates are written as the language writes
            them; whole numbers and texts stay as they are.
        language: ``fr`` or ``en``; a sentence without translation stays English.
    """
    text = _catalogue(language).get(template, template)
    if language == "fr":
        text = _typography(text)
    return _Fields(language).vformat(text, (), params) if params else text


def error_text(error: CadranError, language: str) -> str:
    """Where it happened, what happened, and on a second line what to do about it."""
    message = say(error.message, error.params, language)
    first = f"{error.where}{_colon(language)}{message}" if error.where else message
    return f"{first}\n{say(error.hint, error.params, language)}" if error.hint else first


def issue_text(issue: Issue, language: str) -> str:
    """Where the finding is, what was found and what to do about it, on one line."""
    message = say(issue.message, issue.params, language)
    hint = f" {say(issue.hint, issue.params, language)}" if issue.hint else ""
    return f"{issue.where}{_colon(language)}{message}{hint}" if issue.where else message + hint


def pick_language(wanted: Sequence[str], available: Sequence[str] = LANGUAGES) -> str:
    """The first wanted language that is available, or the first available one.

    Args:
        wanted: Language tags, best first, such as ``["fr-CA", "en"]``.
        available: Languages that can be given, the default first.
    """
    found = negotiate_locale([tag.replace("-", "_").lower() for tag in wanted], list(available))
    return found or available[0]


def format_number(value: Number, language: str, *, decimals: int = 0, sign: bool = False) -> str:
    """A number with that many decimals, halves rounded away from zero; signed when asked."""
    rounded = _rounded(value, decimals)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    digits: str = numbers.format_decimal(abs(rounded), pattern, locale=_locale(language))
    if language == "fr":
        digits = digits.replace(NBSP, THIN)
    return (MINUS if rounded < 0 else "+" if sign and rounded > 0 else "") + digits


def format_value(value: Number | None, unit: str, currency: str, language: str, *, style: Style = "normal") -> str:
    """A KPI's value as people read it, with its unit; an en dash when there is none.

    Args:
        value: Rates in 0..1; money in `currency`; durations in the unit itself.
        unit: A unit of `catalogue.definition.Unit`.
        currency: ISO 4217 code.
        language: ``fr`` or ``en``.
        style: How many digits; see `Style`.
    """
    if value is None:
        return MISSING
    scale = _scale(value, unit, style)
    return _with_unit(_digits(value, scale, language), scale, unit, currency, language)


def format_delta(value: Number | None, unit: str, currency: str, language: str, *, style: Style = "normal") -> str:
    """A signed difference; of rates in points, such as ``−2,1 pts``."""
    if value is None:
        return MISSING
    if unit == "rate":
        points = Decimal(str(value)) * 100
        word = "pt" if abs(points) < 2 else "pts"
        return f"{format_number(points, language, decimals=1, sign=True)}{NBSP}{word}"
    scale = _scale(value, unit, style)
    return _with_unit(_digits(value, scale, language, sign=True), scale, unit, currency, language)


def format_ratio(value: float | None, language: str) -> str:
    """A signed relative change in per cent, such as ``+12,5 %``; an en dash when there is none."""
    if value is None:
        return MISSING
    digits = format_number(Decimal(str(value)) * 100, language, decimals=1, sign=True)
    return digits + _percent(language)


def format_interval(
    low: Number | None, high: Number | None, unit: str, currency: str, language: str, *, style: Style = "normal"
) -> str:
    """Both edges with one unit, such as ``25,7–29,2 %``; an open edge as ``≥`` or ``≤``."""
    if low is None or high is None:
        edge = low if high is None else high
        text = format_value(edge, unit, currency, language, style=style)
        return text if edge is None else f"{'≥' if high is None else '≤'}{NBSP}{text}"
    scale = _scale(max(abs(Decimal(str(edge))) for edge in (low, high)), unit, style)
    joint = "–" if low >= 0 else f"{NBSP}{'à' if language == 'fr' else 'to'}{NBSP}"
    digits = _digits(low, scale, language) + joint + _digits(high, scale, language)
    return _with_unit(digits, scale, unit, currency, language)


def format_date(day: date, language: str, *, year: bool = True) -> str:
    """A day, such as ``1er mars 2026`` or ``Mar 1, 2026``; without its year when told."""
    if year:
        text: str = dates.format_date(day, "medium", locale=_locale(language))
    else:
        text = dates.format_skeleton("MMMd", day, locale=_locale(language))
    return text.replace("1 ", "1er ", 1) if language == "fr" and day.day == 1 else text


def format_moment(moment: datetime, language: str, zone: ZoneInfo) -> str:
    """A UTC instant as the clock of that zone shows it; a naive one is read as UTC."""
    local = as_utc(moment).astimezone(zone)
    clock = f"{local:%H:%M}"
    return f"{format_date(local.date(), language)}{' à ' if language == 'fr' else ', '}{clock}"


def format_period(
    start: date, end: date, calendar: Calendar, language: str, *, grain: Grain | None = None, short: bool = False
) -> str:
    """The name of ``[start, end)``, such as ``T1 2026``, ``sem. 12 2026`` or ``1er – 15 mars 2026``.

    Args:
        start: First day.
        end: First day after.
        calendar: How the company cuts time; a fiscal year is named as such.
        language: ``fr`` or ``en``.
        grain: Grain of the period when known; else the largest whose period it is.
        short: Month names cut short, for axes.
    """
    found = grain or _grain_of(Period(start, end), calendar)
    if found is None:
        return _span(start, end - timedelta(days=1), language)
    return _PeriodName(calendar, language, short).of(found, start)


def format_window(trailing: Trailing, language: str) -> str:
    """The length of a trailing window, such as ``12-month window`` or ``fenêtre de 12 mois``."""
    return say(_WINDOWS[trailing.unit], {"n": trailing.n}, language)


#: Words of Cadran's own that are values of dimensions, and how they are said in English.
WORDS = {
    **{name: name.replace("_", " ").capitalize() for name in (
        "organic_search", "paid_search", "paid_social", "organic_social", "email", "referral", "direct", "partner",
        "event", "outbound", "opening", "created", "progressed", "pulled_in", "reopened", "resized", "regressed",
        "pushed_out", "transferred", "won", "lost", "closed", "expired", "signed", "quota", "advanced", "handed_off",
        "open", "call", "meeting", "message", "linkedin", "other",
        "software", "telecommunications", "finance", "insurance", "manufacturing", "chemicals", "pharma", "health",
        "retail", "wholesale", "consumer_goods", "food", "agriculture", "construction", "real_estate", "energy",
        "transport", "hospitality", "media", "marketing_services", "professional_services", "education",
        "public_sector", "contributor", "executive", "director", "specialist", "general_management", "procurement",
        "people", "legal", "operations", "sales", "marketing", "product", "manager", "customer", "data",
    )},
    "it_services": "IT services", "non_profit": "Non-profit", "vp": "Vice president", "it": "IT",
}  # fmt: skip


def segment_name(value: str | None, language: str) -> str:
    """The name of a segment; where the source gives none, ``(non renseigné)`` or ``(not given)``.

    A value that is a word of Cadran's own, such as a channel or the movement of a deal, is said in the
    reader's language; any other is the source's and stays as it is.
    """
    if value is None:
        return say("(not given)", {}, language)
    return say(WORDS[value], {}, language) if value in WORDS else value


def _typography(text: str) -> str:
    """French spacing: no line may start with a sign that belongs to the word before."""
    return _AFTER.sub("«" + NBSP, _BEFORE.sub(NBSP + r"\1", text))


def _colon(language: str) -> str:
    return f"{NBSP}: " if language == "fr" else ": "


def _percent(language: str) -> str:
    return f"{NBSP}%" if language == "fr" else "%"


def _locale(language: str) -> str:
    return "fr_FR" if language == "fr" else "en_US"


@functools.cache
def _catalogue(language: str) -> dict[str, str]:
    """Every translation of that language, all rooms together; empty for English."""
    folder = resources.files("cadran").joinpath("locale", language)
    if language == "en" or not folder.is_dir():
        return {}
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".po"):
            with file.open("rb") as stream:
                catalog = read_po(stream, locale=language)
            found |= {str(m.id): str(m.string) for m in catalog if m.id and m.string and not m.fuzzy}
    return found


class _Fields(string.Formatter):
    """Fills a template in; numbers and dates as the language writes them."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        """One field, by its type; with a format, only its separators change."""
        if format_spec:
            return (
                self._localised(format(value, format_spec)) if isinstance(value, Number) else format(value, format_spec)
            )
        if isinstance(value, CadranError):
            return error_text(value, self.language)
        if isinstance(value, Said):
            return value.text(self.language)
        if isinstance(value, Decimal | float):
            return self._localised(f"{Decimal(str(value)).normalize():,f}")
        if isinstance(value, date):
            return format_date(value, self.language)
        return str(value)

    def _localised(self, text: str) -> str:
        if self.language != "fr":
            return text
        return text.translate({ord(","): THIN, ord("."): ",", ord("%"): f"{NBSP}%"})


@dataclass(frozen=True)
class _Scale:
    """How a value is cut before it is written.

    Attributes:
        factor: The value is divided by it.
        suffix: ``k``, ``M``, ``Md`` or empty.
        decimals: Decimals kept.
        strip: True when decimals that are all zero are dropped.
        shortest: True when every zero at the end is dropped.
    """

    factor: Decimal = Decimal(1)
    suffix: str = ""
    decimals: int = 0
    strip: bool = False
    shortest: bool = False


def _rounded(value: Number, decimals: int) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def _digits(value: Number, scale: _Scale, language: str, *, sign: bool = False) -> str:
    scaled = Decimal(str(value)) / scale.factor
    decimals = scale.decimals
    rounded = _rounded(scaled, decimals)
    if scale.strip and rounded == rounded.to_integral_value():
        decimals = 0
    while scale.shortest and decimals and rounded == _rounded(scaled, decimals - 1):
        decimals -= 1
    return format_number(scaled, language, decimals=decimals, sign=sign)


def _scale(value: Number, unit: str, style: Style) -> _Scale:
    size = abs(Decimal(str(value)))
    match unit:
        case "rate":
            return _Scale(Decimal("0.01"), decimals=2 if style == "exact" else 1, strip=style == "round")
        case "money" | "money_per_day":
            return _money_scale(size, style)
        case "multiple":
            return _Scale(decimals=1 if _rounded(size, 2) == _rounded(size, 1) else 2, strip=style == "round")
        case "months":
            return _Scale(decimals=1, strip=style == "round")
        case "count":
            return _Scale(decimals=1, strip=True)
        case _:
            return _Scale(decimals=0 if size >= 100 and style != "exact" else 1, strip=True)


def _money_scale(size: Decimal, style: Style) -> _Scale:
    """Thousands from 10 000 and millions from 10 M; on tiles, millions already from 1 M."""
    if style == "exact":
        return _Scale(decimals=2, strip=True)
    if size >= 1_000_000_000:
        return _Scale(Decimal(1_000_000_000), "B", 2)
    if size >= (10_000_000 if style == "normal" else 1_000_000):
        return _Scale(Decimal(1_000_000), "M", 2, shortest=style == "round")
    if size >= 10_000:
        return _Scale(Decimal(1000), "k", 0 if style != "normal" and size >= 100_000 else 1, strip=True)
    return _Scale(decimals=0 if size >= 1000 else 2, strip=True)


def _with_unit(digits: str, scale: _Scale, unit: str, currency: str, language: str) -> str:
    if unit == "rate":
        return digits + _percent(language)
    if unit.startswith("money"):
        amount = _with_currency(digits, scale.suffix, currency, language)
        return amount if unit == "money" else f"{amount}/{_UNITS['days'][language]}"
    word = _UNITS.get(unit, {}).get(language, "")
    return digits + (word if word in ("", "×") else NBSP + word)


def _with_currency(digits: str, suffix: str, currency: str, language: str) -> str:
    symbol: str = numbers.get_currency_symbol(currency, locale=_locale(language))
    if language == "fr":
        return f"{digits}{NBSP}{'Md' if suffix == 'B' else suffix}{symbol}"
    signed = digits[:1] in (MINUS, "+")
    gap = NBSP if symbol.isalpha() else ""
    return f"{digits[:1] if signed else ''}{symbol}{gap}{digits[1:] if signed else digits}{suffix}"


def _grain_of(period: Period, calendar: Calendar) -> Grain | None:
    for grain in reversed(GRAINS):
        if calendar.containing(period.start, grain) == period:
            return grain
    return None


def _span(first: date, last: date, language: str) -> str:
    if first == last:
        return format_date(first, language)
    if (first.year, first.month) == (last.year, last.month) and language == "fr":
        return f"{'1er' if first.day == 1 else first.day} – {format_date(last, language)}"
    return f"{format_date(first, language, year=first.year != last.year)} – {format_date(last, language)}"


@dataclass(frozen=True)
class _PeriodName:
    """Names whole periods of a calendar."""

    calendar: Calendar
    language: str
    short: bool

    def of(self, grain: Grain, start: date) -> str:
        """The name of the period of that grain that starts on that day."""
        match grain:
            case "day":
                return format_date(start, self.language, year=not self.short)
            case "week":
                year, number = self.calendar.week_number(start)
                name = str(year) if self.calendar.scheme == "months" else self._year(start)
                return self._said("wk {number} {year}", number=number, year=name)
            case "month":
                return self._month(start)
            case "quarter":
                return self._said("Q{number} {year}", number=self._place(start, "quarter"), year=self._year(start))
            case _:
                return self._year(start)

    def _said(self, template: str, **params: object) -> str:
        return say(template, params, self.language)

    def _month(self, start: date) -> str:
        if self.calendar.scheme != "months":
            return self._said("P{number} {year}", number=self._place(start, "month"), year=self._year(start))
        text: str = dates.format_skeleton("yMMM" if self.short else "yMMMM", start, locale=_locale(self.language))
        return text

    def _place(self, start: date, grain: Grain) -> int:
        """The number of the period in its fiscal year, from 1."""
        year = self.calendar.containing(start, "year")
        return len(self.calendar.periods(grain, year.start, start)) + 1

    def _year(self, start: date) -> str:
        name = str(self.calendar.fiscal_year(start))
        if self.calendar.fiscal_start == 1 and self.calendar.scheme == "months":
            return name
        return self._said("FY{year}", year=name)
