"""Cells as text → typed values, as Ibis expressions over whole columns.

Every function gives NULL for what it cannot convert, so that the caller can tell a cell that is
empty from one that is wrong. Numbers never pass through a float on their way to a decimal. Wall
clocks become UTC by the rules of their zone: a time that the clocks showed twice is the first of
the two, a time that they skipped is moved forward by the skip. A day without a time is midnight in
the zone of the company, so that it stays that day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from cadran.canonical.days import local_to_utc, utc_to_local

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

#: Cells that say nothing, in lower case.
NULLS = ("", "-", "--", "n/a", "null", "#n/a", "none")
TRUE = ("true", "1", "yes", "oui", "vrai", "y", "o", "t", "1.0")
FALSE = ("false", "0", "no", "non", "faux", "n", "f", "0.0")
#: Spaces, thin and unbreakable ones included.
SPACES = " \t\r\n\u00a0\u202f\u2007\u2009\u200b\ufeff"
#: What groups digits or names the currency, beside the points and commas.
NOISE = SPACES + "'’€$£¥"
CURRENCY_NAMES = {
    "€": "EUR", "$": "USD", "£": "GBP", "EURO": "EUR", "EUROS": "EUR", "US DOLLAR": "USD", "DOLLAR": "USD",
    "U.S. DOLLAR": "USD", "DOLLAR AMERICAIN": "USD", "DOLLAR US": "USD", "BRITISH POUND": "GBP",
    "POUND STERLING": "GBP", "LIVRE STERLING": "GBP", "SWISS FRANC": "CHF", "FRANC SUISSE": "CHF",
    "CANADIAN DOLLAR": "CAD", "DOLLAR CANADIEN": "CAD",
}  # fmt: skip
#: Beginnings of month names in English and French, folded, longest first.
MONTHS = {
    "juil": 7, "juin": 6, "jan": 1, "feb": 2, "fev": 2, "mar": 3, "apr": 4, "avr": 4, "may": 5, "mai": 5,
    "jun": 6, "jul": 7, "aug": 8, "aou": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
#: Decimal places in which a number is held before it is rounded or refused.
EXACT = "decimal(28, 10)"
#: A number that differs from its four decimals by less is the noise of a floating point export.
NOISE_LEVEL = "0.00000001"

ISO = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:\D|$)"
COMPACT = r"^(?:19|20)\d{6}$"
PARTS = r"^(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})(?:\D|$)"
SHORT = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2}(?:\D|$)"
DAY_MONTH = r"^(\d{1,2})(?:er|st|nd|rd|th)?[-/. ]+(\pL{3,})\.?[-/., ]+(\d{4})(.*)$"
MONTH_DAY = r"^(\pL{3,})\.?[- ]+(\d{1,2})(?:st|nd|rd|th)?,?[- ]+(\d{4})(.*)$"
SERIAL = r"^\d{5}(?:\.\d+)?$"
EPOCH = r"^\d{10}(?:\d{3})?(?:\.0+)?$"
OFFSET = r":\d{2}[^+-]*(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)$"
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


@ibis.udf.scalar.builtin(name="trim")
def _trim(text: str, characters: str) -> str:  # type: ignore[empty-body]
    """The text without these characters around it."""


@ibis.udf.scalar.builtin
def strip_accents(text: str) -> str:  # type: ignore[empty-body]
    """The text without accents."""


@ibis.udf.scalar.builtin(name="try_strptime", signature=(("string", "array<string>"), "timestamp(6)"))
def _read(text: object, formats: object) -> object:
    """The timestamp that the first fitting format reads, else NULL."""


def try_strptime(text: Expr, formats: list[str]) -> Expr:
    """The timestamp that the first fitting format reads, else NULL."""
    return _read(text, formats)


def clean(text: Expr) -> Expr:
    """The text without spaces around it; NULL for cells that say nothing."""
    trimmed: Expr = _trim(text, SPACES)
    return ibis.ifelse(trimmed.lower().isin(NULLS), ibis.null("string"), trimmed)


def folded(text: Expr) -> Expr:
    """The text as values are compared, the way `rules.fold` does it for headers."""
    plain = text.translate("’‘\u00a0\u202f", "''  ")
    return strip_accents(plain.lower())


def boolean(text: Expr) -> Expr:
    """True or false from English or French text, else NULL."""
    word = folded(text)
    return ibis.cases((word.isin(TRUE), True), (word.isin(FALSE), False), else_=ibis.null("boolean"))


def currency(text: Expr) -> Expr:
    """ISO 4217 code from a code, sign or common name, else NULL."""
    word = strip_accents(text.upper())
    named: Expr = ibis.cases(*((word == name, code) for name, code in CURRENCY_NAMES.items()), else_=word)
    return ibis.ifelse(named.re_search("^[A-Z]{3}$"), named, ibis.null("string"))


def email(text: Expr) -> Expr:
    """The mail address in lower case."""
    return text.lower()


def domain(text: Expr) -> Expr:
    """The domain of an address of a site or of a mail box: lower case, without ``www.``."""
    host = text.lower().re_extract(r"^(?:[a-z]+://)?(?:[^/@]*@)?(?:www\d?\.)?([^/:?#\s]+)", 1)
    return host.nullif("")


def bare(text: Expr) -> Expr:
    """A number without what groups its digits or names its currency; the first step of `number`."""
    return text.translate("−" + NOISE, "-").re_replace(r"^[A-Z]{3}|[A-Z]{3}$", "")


def number(stripped: Expr, decimal: str, scale: str = "") -> Expr:
    """An exact decimal with ten places, else NULL.

    Args:
        stripped: Cells as `bare` gives them: grouped by the other sign, with ``%``, ``k`` or ``M``
            after them, in parentheses when negative.
        decimal: Decimal sign of the column.
        scale: Number by which cells without ``%``, ``k`` and ``M`` are multiplied, as text.
    """
    group = "," if decimal == "." else "."
    one = rf"(?:\d{{1,3}}(?:\{group}\d{{3}})+|\d{{1,15}})(?:\{decimal}\d*)?|\{decimal}\d+"
    shape = rf"^[-+]?\(?[-+]?(?:{one})\)?-?(?:%|[kKmM])?\)?$"
    digits = stripped.re_replace(r"[^\d.,]", "").replace(group, "").replace(decimal, ".")
    size: Expr = ibis.ifelse(stripped.re_search(shape), digits.try_cast(EXACT), ibis.null(EXACT))
    factors = {"%": "0.01", "[kK]": "1000", "[mM]": "1000000"}
    kind = f"decimal(18, {max(2, len(scale.partition('.')[2]))})"
    factor: Expr = ibis.cases(
        *((stripped.re_search(unit), ibis.literal(by).cast(kind)) for unit, by in factors.items()),
        else_=ibis.literal(scale or "1").cast(kind),
    )
    return (size * factor).try_cast(EXACT) * ibis.ifelse(stripped.re_search(r"[-(]"), -1, 1)


def money(value: Expr) -> Expr:
    """The number as decimal(18,4); NULL when that would change it or when it does not fit."""
    rounded = value.try_cast("decimal(18, 4)")
    off = (value - rounded.cast(EXACT)).abs()
    return ibis.ifelse(off < ibis.literal(NOISE_LEVEL).cast("decimal(10, 8)"), rounded, ibis.null("decimal(18, 4)"))


def whole(text: Expr) -> Expr:
    """A whole number, else NULL; a point or comma before three digits groups them."""
    bare = text.translate(NOISE, "")
    shape = r"^[-+]?(?:\d{1,3}(?:[.,]\d{3})+|\d{1,15})(?:[.,]0+)?$"
    plain = bare.re_replace(r"[.,](\d{3})", r"\1").re_replace(r"[.,]0+$", "")
    return ibis.ifelse(bare.re_search(shape), plain.try_cast("int64"), ibis.null("int64"))


def wall_clock(text: Expr, order: str, layouts: Iterable[str]) -> Expr:
    """What the cell says, as a timestamp without a zone; offsets are left out of account.

    Args:
        text: Cells, trimmed.
        order: ``DMY`` or ``MDY`` of numeric dates, or another of `rules.DATE_ORDERS`.
        layouts: Layouts that occur in the column, so that others cost nothing.
    """
    known = {
        "iso": lambda: (text.re_search(ISO), _iso(text)),
        "compact": lambda: (text.re_search(COMPACT), try_strptime(text, ["%Y%m%d"])),
        "parts": lambda: (text.re_search(PARTS), _by_parts(text, order)),
        "short": lambda: (text.re_search(SHORT), _by_parts(_long_year(text), order)),
        "day_month": lambda: (text.re_search(DAY_MONTH), _by_month(text, DAY_MONTH, 1, 2)),
        "month_day": lambda: (text.re_search(MONTH_DAY), _by_month(text, MONTH_DAY, 2, 1)),
        "serial": lambda: (text.re_search(SERIAL), _serial(text, order)),
        "epoch": lambda: (text.re_search(EPOCH), _epoch(text, order)),
    }
    branches = [known[layout]() for layout in known if layout in set(layouts)]
    nothing = ibis.null("timestamp(6)")
    return ibis.cases(*branches, else_=nothing) if branches else nothing


def _iso(text: Expr) -> Expr:
    # DuckDB reads neither points between the parts nor an offset after hours and minutes alone
    full = text.re_replace(r"^(\d{4})[./](\d{1,2})[./](\d{1,2})", r"\1-\2-\3").re_replace(
        r"([T ]\d{2}:\d{2})(Z|[+-]\d{2}:?\d{2})$", r"\1:00\2"
    )
    return full.try_cast("timestamp(6)")


def _clock(text: Expr) -> Expr:
    """The text with one space before the time and a plain AM or PM."""
    return text.re_replace(r"[T, ]+(?:à |at )?(\d{1,2}:)", r" \1").re_replace(r"(?i) ?([ap])\.?m\.?$", r" \1M")


def _by_parts(text: Expr, order: str) -> Expr:
    plain = _clock(text.re_replace(r"^(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})", r"\1/\2/\3"))
    head = "%m/%d/%Y" if order in {"MDY", "MM/DD/YY"} else "%d/%m/%Y"
    return try_strptime(plain, [head + clock for clock in CLOCKS])


def _long_year(text: Expr) -> Expr:
    return text.re_replace(r"^(\d{1,2}[-/.]\d{1,2}[-/.])(\d{2})(\D|$)", r"\120\2\3")


def _by_month(text: Expr, pattern: str, day: int, month: int) -> Expr:
    word = folded(text.re_extract(pattern, month))
    numbers = ((word.startswith(start), str(value)) for start, value in MONTHS.items())
    parts = [
        text.re_extract(pattern, 3),
        ibis.cases(*numbers, else_=ibis.null("string")),
        text.re_extract(pattern, day),
    ]
    plain = _clock(parts[0] + "-" + parts[1] + "-" + parts[2] + text.re_extract(pattern, 4))
    return try_strptime(plain, ["%Y-%m-%d" + clock for clock in CLOCKS])


def _serial(text: Expr, order: str) -> Expr:
    """Days since 30 December 1899, as spreadsheets count them; only when the mapping says so."""
    if order != "excel":
        return ibis.null("timestamp(6)")
    seconds = (text.try_cast("float64") * 86_400).round().cast("int64")
    return ibis.literal("1899-12-30").cast("timestamp(6)") + seconds.as_interval("s")


def _epoch(text: Expr, order: str) -> Expr:
    """Seconds or milliseconds since 1970; only when the mapping says so."""
    if order != "epoch":
        return ibis.null("timestamp(6)")
    count = text.try_cast("float64")
    seconds: Expr = ibis.ifelse(count >= 1e11, count / 1000, count)
    return ibis.literal("1970-01-01").cast("timestamp(6)") + seconds.round().cast("int64").as_interval("s")


def has_offset(text: Expr) -> Expr:
    """True when the cell says by itself which instant it is."""
    return text.re_search(OFFSET)


def has_clock(text: Expr) -> Expr:
    """True when the cell has a time beside the day."""
    return text.contains(":")


def offset_seconds(text: Expr) -> Expr:
    """Seconds by which the clocks of the cell's own offset are ahead of UTC."""
    pattern = r"([+-])(\d{2}):?(\d{2})?$"
    hours = text.re_extract(pattern, 2).try_cast("int64").coalesce(0)
    minutes = text.re_extract(pattern, 3).try_cast("int64").coalesce(0)
    return (hours * 3600 + minutes * 60) * ibis.ifelse(text.re_extract(pattern, 1) == "-", -1, 1)


def to_utc(wall: Expr, zone: str) -> Expr:
    """The naive UTC instant at which the clocks of a zone first showed this."""
    if zone == "UTC":
        return wall
    late = local_to_utc(wall, zone)
    early = late - ibis.interval(hours=1)
    return ibis.ifelse(utc_to_local(early, zone) == wall, early, late)


def literal_day(text: Expr, wall: ir.TimestampValue) -> Expr:
    """True when the cell is a day: without a time, or written as midnight UTC by a program."""
    midnight = text.re_search(r"T00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)$") & wall.notnull()
    return ~has_clock(text) | midnight
