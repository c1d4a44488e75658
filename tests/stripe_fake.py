"""A Stripe account for tests, whose answers are held to the vendor's own specification by the tests that use it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

KEY = "rk_live_key-that-nobody-sees"
JSON = {"Content-Type": "application/json"}
DAY = 86_400
START = 1_767_600_000  # 5 January 2026, 8:00 UTC


@dataclass
class StripeFake:
    """Lists by path, each record with an id and a date of creation.

    Attributes:
        lists: Records by path.
        inline: Items that a subscription shows before it says that there are more.
        asked: Path and parameters of every request.
    """

    lists: dict = field(default_factory=dict)
    inline: int = 10
    asked: list = field(default_factory=list)

    def put(self, path, record):
        """Write a record, in the place of the one of its id."""
        kept = self.lists.setdefault(path, [])
        kept[:] = [other for other in kept if other["id"] != record["id"]] + [record]

    def drop(self, path, key):
        self.lists[path] = [record for record in self.lists[path] if record["id"] != key]

    def answer(self, method, url, headers, body):
        parts = urlsplit(url)
        params = parse_qsl(parts.query)
        self.asked.append((parts.path, params))
        told = {name.lower(): value for name, value in headers.items()}
        if told.get("authorization") != f"Bearer {KEY}" or not told.get("stripe-version"):
            return _error(401, "Invalid API Key provided", "")
        found = dict(params)
        if parts.path == "/v1/subscription_items":
            records = [
                i for s in self.lists["/v1/subscriptions"] if s["id"] == found["subscription"] for i in s["_items"]
            ]
        else:
            records = sorted(self.lists.get(parts.path, []), key=lambda r: (-r["created"], r["id"]))
        if since := found.get("created[gte]"):
            records = [record for record in records if record["created"] >= int(since)]
        if parts.path == "/v1/subscriptions" and found.get("status") != "all":
            records = [record for record in records if record["status"] != "canceled"]
        return self._page(parts.path, records, found)

    def _page(self, path, records, params):
        if after := params.get("starting_after"):
            places = [at for at, record in enumerate(records) if record["id"] == after]
            if not places:
                return _error(400, f"No such object: '{after}'", "starting_after")
            records = records[places[0] + 1 :]
        size = int(params.get("limit", 10))
        shown = [self._shown(path, record, params) for record in records[:size]]
        body = {"object": "list", "url": path, "has_more": len(records) > size, "data": shown}
        return 200, JSON, json.dumps(body)

    def _shown(self, path, record, params):
        if path != "/v1/subscriptions":
            return record
        held = record["_items"]
        items = {
            "object": "list",
            "url": "/v1/subscription_items",
            "has_more": len(held) > self.inline,
            "data": held[: self.inline],
        }
        told = {name: value for name, value in record.items() if not name.startswith("_")}
        if params.get("expand[]") != "data.discounts":
            told["discounts"] = [discount["id"] for discount in told["discounts"]]
        return {**told, "items": items}


def _error(status, message, param):
    return status, JSON, json.dumps({"error": {"type": "invalid_request_error", "message": message, "param": param}})


def customer(number):
    return {
        "id": f"cus_{number:04d}", "object": "customer", "created": START + number * DAY, "livemode": True,
        "name": f"Customer {number}", "email": f"billing@c{number}.example", "description": None, "metadata": {},
        "address": {"country": "FR", "city": None, "line1": None, "line2": None, "postal_code": None, "state": None},
        "default_source": None, "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "shipping": None,
    }  # fmt: skip


def price(number, amount, currency="eur", interval="month", usage="licensed"):
    return {
        "id": f"price_{number}", "object": "price", "active": True, "billing_scheme": "per_unit", "created": START,
        "currency": currency, "livemode": True, "lookup_key": None, "metadata": {}, "nickname": None,
        "product": f"prod_{number}", "tiers_mode": None, "transform_quantity": None, "type": "recurring",
        "recurring": {"interval": interval, "interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": usage},
        "unit_amount": amount, "unit_amount_decimal": str(amount),
    }  # fmt: skip


def product(number):
    return {"id": f"prod_{number}", "object": "product", "active": True, "created": START, "description": None, "images": [], "livemode": True, "marketing_features": [], "metadata": {}, "name": f"Plan {number}", "package_dimensions": None, "shippable": None, "tax_code": None, "updated": START, "url": None}  # fmt: skip


def item(key, subscription, of, quantity=1, created=0):
    return {"id": key, "object": "subscription_item", "billing_thresholds": None, "created": created, "current_period_end": START + 30 * DAY, "current_period_start": START, "discounts": [], "metadata": {}, "price": of, "plan": plan(of), "quantity": quantity, "subscription": subscription, "tax_rates": []}  # fmt: skip


def plan(of):
    told = {name: of[name] for name in ("id", "active", "billing_scheme", "created", "currency", "livemode", "metadata", "nickname", "product", "tiers_mode")}  # fmt: skip
    told |= {name: of["recurring"][name] for name in ("interval", "interval_count", "meter", "trial_period_days", "usage_type")}  # fmt: skip
    return {
        **told,
        "object": "plan",
        "amount": of["unit_amount"],
        "amount_decimal": of["unit_amount_decimal"],
        "transform_usage": None,
    }


def subscription(key, who, items, start, **more):
    return {
        "id": key, "object": "subscription", "application": None, "application_fee_percent": None, "cancel_at": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": start, "billing_cycle_anchor_config": None, "billing_mode": {"type": "classic"}, "billing_thresholds": None,
        "cancel_at_period_end": False, "canceled_at": None, "cancellation_details": None, "collection_method": "charge_automatically",
        "created": start, "currency": items[0]["price"]["currency"], "customer": who, "days_until_due": None, "default_payment_method": None,
        "default_source": None, "description": None, "discounts": [], "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}}, "latest_invoice": None, "livemode": True,
        "metadata": {}, "next_pending_invoice_item_invoice": None, "on_behalf_of": None, "pause_collection": None, "payment_settings": None,
        "pending_invoice_item_interval": None, "pending_setup_intent": None, "pending_update": None, "schedule": None, "start_date": start,
        "status": "active", "test_clock": None, "transfer_data": None, "trial_end": None, "trial_settings": None, "trial_start": None,
        "_items": items, **more,
    }  # fmt: skip


def invoice(number, who, status="paid", created=0, subscription_id="sub_0001"):
    paid = created + 3 * DAY if status == "paid" else None
    return {
        "id": f"in_{number:04d}", "object": "invoice", "number": f"A-{number}", "customer": who, "status": status, "created": created,
        "total": 12_000, "currency": "eur", "period_start": created, "period_end": created + 30 * DAY, "total_taxes": [{"amount": 2_000, "tax_behavior": "exclusive", "tax_rate_details": None, "taxability_reason": "standard_rated", "taxable_amount": 10_000, "type": "tax_rate_details"}],
        "status_transitions": {"finalized_at": created + 60, "paid_at": paid, "voided_at": None, "marked_uncollectible_at": None},
        "parent": {"type": "subscription_details", "quote_details": None, "subscription_details": {"metadata": {}, "subscription": subscription_id}},
    }  # fmt: skip


def filled(n=130):
    """An account with customers, subscriptions of every kind and invoices."""
    fake = StripeFake()
    prices = [
        price(1, 2_500),
        price(2, 240_000, interval="year"),
        price(3, 9_000, currency="jpy"),
        price(4, 5, usage="metered"),
    ]
    for number in range(1, 5):
        fake.put("/v1/products", product(number))
    for number in range(n):
        fake.put("/v1/customers", customer(number))
        key, start = f"sub_{number:04d}", START + number * DAY // 4
        items = [item(f"si_{number:04d}", key, prices[number % 3], 1 + number % 4, start)]
        if number % 10 == 0:
            items.append(item(f"si_{number:04d}m", key, prices[3], 1, start))
        if number % 25 == 0:
            items += [item(f"si_{number:04d}x{k}", key, prices[number % 3], 1, start + 20 * DAY) for k in range(12)]
        more = (
            {"status": "canceled", "canceled_at": start + 9 * DAY, "ended_at": start + 30 * DAY}
            if number % 6 == 5
            else {}
        )
        if number % 8 == 1:
            coupon = {"id": "half", "object": "coupon", "duration": "forever", "percent_off": 50.0, "amount_off": None, "created": START, "currency": None, "duration_in_months": None, "livemode": True, "max_redemptions": None, "metadata": {}, "name": "Half", "redeem_by": None, "times_redeemed": 1, "valid": True}  # fmt: skip
            more["discounts"] = [{"id": f"di_{number}", "object": "discount", "checkout_session": None, "coupon": coupon, "customer": f"cus_{number:04d}", "end": None, "invoice": None, "invoice_item": None, "promotion_code": None, "start": start, "subscription": key, "subscription_item": None}]  # fmt: skip
        fake.put("/v1/subscriptions", subscription(key, f"cus_{number:04d}", items, start, **more))
        fake.put("/v1/invoices", invoice(number, f"cus_{number:04d}", "open" if number % 3 else "paid", start, key))
    return fake


def matches(spec, schema, value, where="$"):  # noqa: PLR0911 - one per kind of schema
    """What of a value contradicts a schema of the specification, in its dialect: ``nullable``, references, one of several."""
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if value is None:
        return [] if schema.get("nullable") else [f"{where} is null"]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            found = [matches(spec, each, value, where) for each in schema[several]]
            return [] if not found or any(not problems for problems in found) else min(found, key=len)
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{where} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is {value!r}"]
    if kind == "array":
        return [
            p for at, each in enumerate(value) for p in matches(spec, schema.get("items", {}), each, f"{where}[{at}]")
        ]
    if kind == "object":
        known = schema.get("properties", {})
        lacks = [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
        return lacks + [
            p
            for name, each in value.items()
            if name in known
            for p in matches(spec, known[name], each, f"{where}.{name}")
        ]
    return []


def known_parameters(spec, path):
    """Names of the parameters that the specification has for a list, as the first part of what is written in an address."""
    return {re.sub(r"\[.*", "", parameter["name"]) for parameter in spec["paths"][path]["get"]["parameters"]}
