"""The billing system of the sample company as Stripe exports it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cadran.period import shift_months
from cadran.sources.demo_files import Export, Row, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cadran.sources.demo_chance import Chance
    from cadran.sources.demo_world import Customer, Subscription, World

MARGINS = {"SMB": "0.82", "Mid-market": "0.80", "Enterprise": "0.78"}
CENT = Decimal("0.01")


def billing(world: World) -> list[Export]:
    """Subscriptions and invoices."""
    return [_subscriptions(world), _invoices(world)]


def _clock(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


def _subscriptions(world: World) -> Export:
    pairs = [(customer, found) for customer in world.customers for found in customer.subscriptions]
    pairs.sort(key=lambda pair: (pair[1].started, pair[1].id))
    rows = [_subscription(world, customer, found) for customer, found in pairs if found.started < world.span.end]
    headers = [
        "id", "Customer ID", "Customer Description", "Customer Email", "Plan", "Quantity", "Currency", "Interval",
        "Amount", "Status", "Created (UTC)", "Start (UTC)", "Trial Start (UTC)", "Trial End (UTC)",
        "Canceled At (UTC)", "Ended At (UTC)", "Discount %", "hubspot_company_id (metadata)", "gross_margin (metadata)",
    ]  # fmt: skip
    name = f"stripe-subscriptions-{world.span.exported_on}.csv"
    return Export(name, headers, rows, "subscription", world.span.exported_on)


def _subscription(world: World, customer: Customer, found: Subscription) -> Row:
    ended = found.ended if found.ended and found.ended < world.span.end else None
    company = customer.company
    return [
        found.id, customer.id, company.name, f"facturation@{company.domain}", found.plan, str(found.seats),
        customer.currency.lower(), found.interval, plain(found.unit), _status(world, found, ended),
        _clock(found.started), _clock(found.started), _clock(found.started) if found.trial_ended else "",
        _clock(found.trial_ended), _clock(found.cancel_requested), _clock(ended),
        f"{found.discount * 100:.0f}" if found.discount else "", company.id, MARGINS[company.segment],
    ]  # fmt: skip


def _status(world: World, found: Subscription, ended: datetime | None) -> str:
    if found.status == "paused":
        return "paused"
    if ended:
        return "canceled"
    return "trialing" if found.trial_ended and found.trial_ended >= world.span.end else "active"


def _invoices(world: World) -> Export:
    chance = world.stream("invoices")
    found = [
        (start, customer, subscription)
        for customer in world.customers
        for subscription in customer.subscriptions
        if subscription.mrr
        for start in _billed(world, subscription)
    ]
    found.sort(key=lambda line: (line[0], line[2].id))
    rows = [_invoice(world, chance, number, line) for number, line in enumerate(found, start=1)]
    headers = [
        "id", "Number", "Customer ID", "Subscription ID", "Currency", "Subtotal", "Tax", "Total", "Amount Paid",
        "Status", "Created (UTC)", "Paid At (UTC)", "Period Start (UTC)", "Period End (UTC)",
    ]  # fmt: skip
    return Export(f"stripe-invoices-{world.span.exported_on}.csv", headers, rows, "invoice", world.span.exported_on)


def _billed(world: World, subscription: Subscription) -> Iterator[datetime]:
    """The instants at which the subscription is billed inside the sample."""
    step = 12 if subscription.interval == "year" else 1
    first = subscription.pays_from
    number = 0
    while True:
        moment = datetime.combine(shift_months(first.date(), number * step), first.time())
        if moment >= (subscription.ended or world.span.end) or moment >= world.span.end:
            return
        if moment >= world.span.opens:
            yield moment
        number += 1


def _invoice(world: World, chance: Chance, number: int, line: tuple[datetime, Customer, Subscription]) -> Row:
    issued, customer, subscription = line
    net = subscription.amount.quantize(CENT)
    tax = (net * Decimal("0.2")).quantize(CENT) if customer.company.country == "France" else Decimal("0.00")
    paid = issued + timedelta(days=chance.choice([0, 0, 2, 14, 28, 33, 47]), hours=1)
    is_paid = paid < world.span.end and not chance.hits(0.012)
    until = shift_months(issued.date(), 12 if subscription.interval == "year" else 1)
    token = "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", k=18))
    return [
        f"in_1{token}", f"LIS-{number:05d}", customer.id, subscription.id, customer.currency.lower(), plain(net),
        plain(tax), plain(net + tax), plain(net + tax if is_paid else Decimal(0)), "paid" if is_paid else "open",
        _clock(issued), _clock(paid) if is_paid else "", f"{issued:%Y-%m-%d}", str(until),
    ]  # fmt: skip
