"""The reference rates of the European Central Bank that come with Cadran, through the euro for any base.

The file is the ECB's own history (`scripts/rates.py` brings it up to date): units of each currency for one
euro, on the days on which it publishes them. Week-ends and holidays have no line: `money.rates` takes the
last one before.
"""

from __future__ import annotations

import csv
import functools
import io
import lzma
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

from cadran.canonical.money import LONGEST_GAP, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

FILE = "ecb_rates.csv.xz"
EURO = "EUR"
#: Days after its own for which a rate serves.
AGES = range(LONGEST_GAP + 1)
#: Decimals of a rate as it is kept.
PLACES = Decimal("0.000000001")


@functools.cache
def _file() -> dict[date, dict[str, Decimal]]:
    """Units of each currency for one euro, by day, oldest first."""
    packed = resources.files("cadran").joinpath("canonical", "data", FILE).read_bytes()
    lines = csv.DictReader(io.StringIO(lzma.decompress(packed).decode()))
    found = {
        date.fromisoformat(line["Date"]): {
            name: Decimal(text) for name, text in line.items() if text and text != "N/A" and len(name) == len(EURO)
        }
        for line in lines
    }
    return dict(sorted(found.items()))


def newest() -> date:
    """The last day of the file."""
    return next(reversed(_file()))


def reference(
    base: str, currencies: Iterable[str], first: date, until: date, covered: Mapping[str, Collection[date]]
) -> list[dict[str, Any]]:
    """Rows of ``fx_rate`` for the days on which no other rate serves.

    Args:
        base: Base currency.
        currencies: Currencies of the data.
        first: First day of the data.
        until: Last known day; the first one or later.
        covered: Days, by currency, on which a rate from elsewhere is quoted.

    Returns:
        Of each pair the direction whose rate is at least one, so that nine decimals are enough; ``valid_from``
        is the day itself. Nothing for currencies that the ECB does not quote.
    """
    rows = []
    every = {first + timedelta(days=place) for place in range((until - first).days + 1)}
    for name in currencies:
        needed = every - {day + timedelta(days=age) for day in covered.get(name, ()) for age in AGES}
        # a company whose own rates serve every day need not have the file read
        for day, per_euro in _file().items() if needed else ():
            quoted = {**per_euro, EURO: Decimal(1)}
            if name in quoted and base in quoted and not needed.isdisjoint(day + timedelta(days=age) for age in AGES):
                rows.append(_row(day, base, name, quoted[name] / quoted[base]))
    return rows


def _row(day: date, base: str, name: str, units: Decimal) -> dict[str, Any]:
    """One rate, given the units of a currency for one of the base."""
    pair = (base, name) if units >= 1 else (name, base)
    known_at = datetime.combine(day, time())
    rate = (units if units >= 1 else 1 / units).quantize(PLACES)
    return {
        "id": f"{REFERENCE}:{day}:{pair[0]}{pair[1]}",
        "connection_id": REFERENCE,
        "source_system": REFERENCE,
        "source_id": f"{day}:{pair[0]}{pair[1]}",
        "valid_from": known_at,
        "first_seen_at": known_at,
        "last_seen_at": known_at,
        "is_inferred": False,
        "day_on": day,
        "from_currency": pair[0],
        "to_currency": pair[1],
        "rate": rate,
    }
