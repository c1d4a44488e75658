"""What a price of Stripe comes to for a quantity: per unit, per package, or by tiers.

Source: Stripe API reference, the price object (``billing_scheme``, ``tiers_mode``, ``transform_quantity``).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cadran.sources.live.stream import Record

ROUNDING = {"up": ROUND_CEILING, "down": "ROUND_FLOOR"}


def is_tiered(price: Mapping[str, Any]) -> bool:
    """True when an amount of one unit does not say what a quantity costs."""
    return price.get("billing_scheme") == "tiered"


def worth(price: Mapping[str, Any], quantity: object) -> tuple[str | None, str]:
    """An amount in the smallest unit of the currency, and how many times it is owed.

    Args:
        price: A price, with its ``tiers`` where it is tiered; older versions call it a plan.
        quantity: Units that are bought; None for one.

    Returns:
        For a price by tiers, what all units cost together, once. The amount is None where Stripe does not tell it.
    """
    units = Decimal(str(1 if quantity is None else quantity))
    if is_tiered(price):
        tiers = price.get("tiers")
        return (_plain(_by_tiers(tiers, units, str(price.get("tiers_mode")))) if tiers else None), "1"
    if package := price.get("transform_quantity") or price.get("transform_usage"):
        exact = units / Decimal(str(package["divide_by"]))
        units = exact.to_integral_value(ROUNDING.get(str(package.get("round")), ROUND_HALF_UP))
    amount = price.get("unit_amount_decimal") or price.get("unit_amount") or price.get("amount")
    return (None if amount is None else str(amount)), _plain(units)


def _by_tiers(tiers: Sequence[Record], units: Decimal, mode: str) -> Decimal:
    """All units at the price of the tier they end in (``volume``), or each at that of its own (``graduated``)."""
    ordered = sorted(tiers, key=lambda tier: Decimal(str(tier["up_to"])) if tier.get("up_to") else Decimal("Infinity"))
    total, below = Decimal(0), Decimal(0)
    for tier in ordered:
        last = Decimal(str(tier["up_to"])) if tier.get("up_to") else units
        each, flat = _coins(tier, "unit_amount"), _coins(tier, "flat_amount")
        if mode == "volume":
            if units <= last:
                return units * each + flat
        elif units > below or below == 0:
            total += (min(units, last) - below) * each + flat
        below = last
        if units <= last:
            break
    return total


def _coins(tier: Record, name: str) -> Decimal:
    found = tier.get(f"{name}_decimal")
    return Decimal(str(tier.get(name) or 0 if found is None else found))


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
