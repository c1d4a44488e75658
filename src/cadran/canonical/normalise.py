"""Cells as text → typed values, as Ibis expressions over whole columns.

Every function gives NULL for what it cannot convert, so that the caller can tell a cell that is
empty from one that is wrong. Numbers never pass through a float on their way to a decimal. Wall
clocks become UTC by the rules of their zone: a time that the clocks showed twice is the first of
the two, a time that they skipped is moved forward by the skip. A day without a time is midnight in
the zone of the company, so that it stays that day.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cadran.canonical.builtin import Builtin
from cadran.canonical.days import local_to_utc, utc_to_local
from cadran.canonical.schema import TYPES
from cadran.deferred import ibis

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis.expr.types as ir

    from cadran.canonical.schema import Expr

#: Cells that say nothing, in lower case.
NULLS = ("", "-", "--", "n/a", "null", "#n/a", "none")
LONGEST_NULL = max(len(text) for text in NULLS)
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
#: Year up to which changes of clocks are looked up.
LAST_YEAR = 2070
#: What a mark after a number multiplies it by.
FACTORS = {"%": "0.01", "k": "1000", "m": "1000000"}

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


#: The text without these characters around it.
_trim = Builtin("trim", ("string", "string"), "string")
#: The code of the first character.
_code = Builtin("ascii", ("string",), "int64")
#: How many bytes the text takes.
_bytes = Builtin("strlen", ("string",), "int64")
#: The text without accents.
strip_accents = Builtin("strip_accents", ("string",), "string")
#: The timestamp that the first fitting format reads, else NULL.
try_strptime = Builtin("try_strptime", ("string", "array<string>"), "timestamp(6)")


def clean(text: Expr) -> Expr:
    """The text without spaces around it; NULL for cells that say nothing."""
    # nearly all cells are as they should be, and to see that takes a tenth of the time of trimming
    is_plain = (_bytes(text) == text.length()) & (_code(text) > 32)
    for space in " \t\r\n":
        is_plain = is_plain & ~text.endswith(space)
    trimmed: Expr = ibis.ifelse(is_plain, text, _trim(text, SPACES))
    says = (_bytes(trimmed) > LONGEST_NULL) | ~trimmed.lower().isin(NULLS)
    return ibis.ifelse(says, trimmed, ibis.null("string"))


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
    """A number without what groups its digits or names its currency; the step before `digits`."""
    packed = text.translate("−" + NOISE, "-")
    letters = packed.upper() != packed.lower()
    return ibis.ifelse(letters, packed.re_replace(r"^[A-Z]{3}|[A-Z]{3}$", ""), packed)


def digits(stripped: Expr, decimal: str) -> Expr:
    """The digits and the decimal point of a `bare` number, else NULL.

    Args:
        stripped: Cells as `bare` gives them: grouped by the other sign, with ``%``, ``k`` or ``M``
            after them, in parentheses when negative.
        decimal: Decimal sign of the column.
    """
    group = "," if decimal == "." else "."
    one = rf"(?:\d{{1,3}}(?:\{group}\d{{3}})+|\d+)(?:\{decimal}\d*)?|\{decimal}\d+"
    shape = rf"^[-+]?\(?[-+]?(?:{one})\)?-?(?:%|[kKmM])?\)?$"
    plain = stripped.translate(decimal + group + "()+-%kKmM", ".")
    return ibis.ifelse(stripped.re_search(shape), plain, ibis.null("string"))


def number(plain: Expr, stripped: Expr, kind: str, scale: str = "") -> Expr:
    """The number as a type of `schema.TYPES`, else NULL.

    Decimals of eighteen places are read as such: wider ones take fifty times as long. A number
    with a mark, or with a scale above one, has its decimals before it is multiplied.

    Args:
        plain: Cells as `digits` gives them.
        stripped: Cells as `bare` gives them, with their sign and mark.
        kind: ``money``, ``decimal`` or ``float``.
        scale: Number by which cells without a mark are multiplied, as text.
    """
    target = TYPES[kind]
    if kind == "float":
        value: Expr = plain.try_cast(target)
        size: Expr = ibis.cases(
            *((_marked(stripped, mark), value * float(by)) for mark, by in FACTORS.items()), else_=value
        )
        size = ibis.ifelse(stripped.contains("%"), size, size * float(scale)) if scale else size
    else:
        as_told = _times(plain, scale) if scale else plain.try_cast(target)
        marked = ((_marked(stripped, mark), _times(plain, by).try_cast(target)) for mark, by in FACTORS.items())
        size = ibis.cases(*marked, else_=as_told.try_cast(target))
    return ibis.ifelse(stripped.contains("-") | stripped.contains("("), -size, size)


def _marked(stripped: Expr, mark: str) -> Expr:
    return stripped.lower().contains(mark)


def _times(plain: Expr, factor: str) -> Expr:
    """The exact product of a number and a factor, both as text."""
    places = len(factor.partition(".")[2])
    kept = 4 if places else 9
    # widened after it is read: the engine would otherwise keep the product in eighteen digits, and stop
    wide = plain.try_cast(f"decimal(18, {kept})").cast(f"decimal(30, {kept})")
    return wide * ibis.literal(factor).cast(f"decimal(8, {places})")


def too_fine(plain: Expr, stripped: Expr, scale: str = "") -> Expr:
    """True when an amount has more than four decimals, so that keeping four would change it.

    A run of zeros or nines after them is the noise of a program that computes in binary.
    """
    places = r"\.\d{4}\d*[1-9]" if not scale or "." in scale else r"\.\d{9}\d*[1-9]"
    noise = plain.re_search(r"\.\d{4}(?:0{4,}|9{4,})")
    marked = ibis.or_(*(_marked(stripped, mark) for mark in FACTORS))
    fine = plain.re_search(places) & ~noise
    if not scale:
        return fine & ~marked
    product = _times(plain, scale)
    return (fine | (product != product.try_cast("decimal(18, 4)"))) & ~marked


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
    # the engine takes the second of two; the days on which there are two are few and known
    late = local_to_utc(wall, zone)
    early = late - ibis.interval(hours=1)
    is_first = wall.date().isin(_days_shown_twice(zone)) & (utc_to_local(early, zone) == wall)
    return ibis.ifelse(is_first, early, late)


@lru_cache(maxsize=64)
def _days_shown_twice(name: str) -> tuple[date, ...]:
    """Days, since 1970, on which the clocks of a zone were turned back."""
    zone, day, found = ZoneInfo(name), date(1970, 1, 1), []
    before = _offset(day, zone)
    while day.year < LAST_YEAR:
        after = _offset(day + timedelta(days=1), zone)
        if after < before:
            found.append(day)
        day, before = day + timedelta(days=1), after
    return tuple(found) or (date(1970, 1, 1),)


def _offset(day: date, zone: ZoneInfo) -> timedelta:
    return datetime.combine(day, time(), tzinfo=zone).utcoffset() or timedelta()


def literal_day(text: Expr, wall: ir.TimestampValue) -> Expr:
    """True when the cell is a day: without a time, or written as midnight UTC by a program."""
    midnight = text.re_search(r"T00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)$") & wall.notnull()
    return ~has_clock(text) | midnight
