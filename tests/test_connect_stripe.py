"""Stripe live: every item of every subscription, what it is worth, and invoices until they are paid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cadran.canonical.mapping import shipped_mappings
from cadran.config import load_project
from cadran.jobs.connect import read_connection
from cadran.jobs.start import init_project
from cadran.sources.live.stripe_price import worth
from chaos import Chaos, mortal, settled
from landing import WHEN, land, raw_table
from live import Clock, connected, over, rows_of, tables
from postgres import free_port
from stripe_fake import DAY, KEY, START, filled, invoice, item, known_parameters, matches, price, subscription

SHARED = Path(os.environ.get("CADRAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
SPEC = SHARED / "contracts" / "stripe" / "stripe_subset.json"
#: What of the stand-in may differ from the specification, which is of an older version: periods are those of items
#: since version 2025-03-31; of invoices the stand-in has the fields that are read.
OVERLAY = {
    "/v1/subscriptions": "lacks current_period_",
    "/v1/invoices": "lacks",
    "/v1/customers": "^$",
    "/v1/products": "^$",
    "/v1/subscription_items": "^$",
}
SHIPPED = shipped_mappings()
NOW = datetime(2026, 7, 2, 9, tzinfo=UTC)


class Reader:
    def __init__(self, root, monkeypatch, written=""):
        init_project(root)
        self.project = load_project(root)
        self.connection = connected(self.project, monkeypatch, "stripe", written, key=KEY)
        self.clock = Clock(NOW)

    def read(self, answer):
        return read_connection(self.project, self.connection, SHIPPED, self.clock.wire(over(answer)))

    def newest(self, stream):
        return tables(self.project, "stripe").get(f"stripe_live_{stream}", {})


@pytest.fixture
def reader(tmp_path, monkeypatch):
    return Reader(tmp_path, monkeypatch)


def test_every_item_is_read_with_its_price_its_subscription_and_its_discount(reader):
    fake = filled()
    run = reader.read(fake.answer)
    assert [str(issue) for issue in run.issues] == []
    items = reader.newest("items")
    assert set(items) == {i["id"] for s in fake.lists["/v1/subscriptions"] for i in s["_items"]}
    assert set(reader.newest("customers")) == {c["id"] for c in fake.lists["/v1/customers"]}
    told = items["si_0001"]
    assert (told["unit_amount"], told["currency"], told["interval"]) == ("240000", "eur", "year")
    assert (told["product_name"], told["discount_share"], told["status"]) == ("Plan 2", "0.5", "active")
    assert items["si_0025x3"]["in_effect_from"] == str(START + 25 * DAY // 4 + 20 * DAY)
    assert items["si_0005"]["ended_at"] == str(START + 5 * DAY // 4 + 30 * DAY)


def tiered(mode, *tiers):
    rows = [
        {"up_to": up_to, "unit_amount": each, "unit_amount_decimal": str(each), "flat_amount": flat, "flat_amount_decimal": None if flat is None else str(flat)}
        for up_to, each, flat in tiers
    ]  # fmt: skip
    return price(9, None) | {"billing_scheme": "tiered", "tiers_mode": mode, "unit_amount_decimal": None, "tiers": rows}


#: Ten at 5.00, the next at 4.00, from 100 on at 3.00, and 20.00 for having more than ten.
TIERS = ((10, 500, None), (100, 400, 2_000), (None, 300, None))


@pytest.mark.parametrize(
    ("mode", "units", "cents"),
    [
        ("volume", 10, 5_000),
        ("volume", 11, 11 * 400 + 2_000),
        ("volume", 150, 150 * 300),
        ("graduated", 10, 5_000),
        ("graduated", 11, 5_000 + 400 + 2_000),
        ("graduated", 150, 5_000 + 90 * 400 + 2_000 + 50 * 300),
        ("graduated", 0, 0),
    ],
)
def test_units_by_tiers_cost_what_stripe_bills(mode, units, cents):
    assert worth(tiered(mode, *TIERS), units) == (str(cents), "1")


def test_packages_are_bought_whole():
    by_hundred = price(5, 700) | {"transform_quantity": {"divide_by": 100, "round": "up"}}
    assert [worth(by_hundred, units) for units in (100, 101, 250)] == [("700", "1"), ("700", "2"), ("700", "3")]
    assert worth(price(5, 700), None) == ("700", "1")


def test_tiers_are_asked_for_once_where_a_subscription_has_them(reader):
    fake = filled(30)
    whole = tiered("graduated", *TIERS)
    fake.put("/v1/prices", whole)
    bare = {name: value for name, value in whole.items() if name != "tiers"}
    for number in (40, 41):
        key = f"sub_{number:04d}"
        items = [item(f"si_{number:04d}", key, bare, 150, START)]
        fake.put("/v1/subscriptions", subscription(key, "cus_0001", items, START))
    run = reader.read(fake.answer)
    assert [str(issue) for issue in run.issues] == []
    told = reader.newest("items")["si_0041"]
    assert (told["unit_amount"], told["quantity"]) == ("58000", "1")
    assert sum("/v1/prices" in str(asked) for asked in fake.asked) == 1


def test_an_invoice_is_watched_until_it_is_paid_and_old_ones_are_left_alone(reader):
    fake = filled(30)
    fake.put("/v1/invoices", invoice(900, "cus_0001", "paid", START - 300 * DAY))
    reader.read(fake.answer)
    reader.clock.at += timedelta(days=1)
    fake.put("/v1/invoices", invoice(901, "cus_0001", "open", int(NOW.timestamp())))
    paid = invoice(29, "cus_0029", "paid", int(NOW.timestamp()) - 60 * DAY)
    fake.put("/v1/invoices", paid)
    fake.asked.clear()
    reader.read(fake.answer)
    assert reader.newest("invoices")["in_0029"]["status"] == "paid"
    assert reader.newest("invoices")["in_0901"]["status"] == "open"
    second = rows_of(reader.project, "stripe", "stripe_live_invoices")[1]
    assert {row["id"] for row in second} == {"in_0029", "in_0901"}


def test_what_is_deleted_while_it_is_read_does_not_stop_the_list(reader):
    fake = filled()

    def answer(method, url, headers, body):
        told = fake.answer(method, url, headers, body)
        if "/v1/customers" in url and len(fake.lists["/v1/customers"]) == 130:
            last = json.loads(told[2])["data"][-1]["id"]
            fake.drop("/v1/customers", last)
        return told

    run = reader.read(answer)
    assert [str(issue) for issue in run.issues] == []
    assert set(reader.newest("customers")) >= {c["id"] for c in fake.lists["/v1/customers"]}


def test_an_item_that_is_removed_ends_and_stripe_is_believed_when_it_says_no(reader):
    fake = filled(30)
    reader.read(fake.answer)
    reader.clock.at += timedelta(days=1)
    fake.drop("/v1/subscriptions", "sub_0003")
    reader.read(fake.answer)
    assert reader.newest("items")["si_0003"]["_gone_at"].startswith("2026-07-03")
    assert reader.newest("items")["si_0003"]["unit_amount"] == "2500"  # what it was worth until then
    asked = []

    def refused(*told):
        asked.append(told)
        return 500, {"Stripe-Should-Retry": "false"}, "{}"

    (issue,) = reader.read(refused).issues
    assert "does not help" in str(issue)
    assert len(asked) == 1


def test_amounts_in_the_smallest_unit_are_told_in_whole_ones():
    mapping = next(m for m in SHIPPED if m.name == "stripe_live_items")
    headers = ["id", "customer", "status", "unit_amount", "currency", "in_effect_from", "subscription_created"]
    amounts = {"eur": ("2500", "25"), "jpy": ("9000", "9000"), "bhd": ("1500", "1.5"), "usd": ("0.5", "0.005")}
    rows = [
        [currency, "cus_1", "active", amount, currency, str(START), str(START)]
        for currency, (amount, _) in amounts.items()
    ]
    found = land(raw_table(headers, rows), mapping, at=WHEN)
    assert found.aside == []
    assert found.only("subscription", "amount") == [Decimal(worth) for _, worth in amounts.values()]
    assert found.only("subscription", "started_at") == [datetime(2026, 1, 5, 8)] * 4


def test_the_stand_in_and_what_it_is_asked_keep_to_the_specification_of_the_vendor(reader):
    if not SPEC.is_file():
        pytest.skip(f"the specification of Stripe is not on this machine: {SPEC}")
    spec = json.loads(SPEC.read_text())
    fake = filled(30)
    answers = []

    def answer(method, url, headers, body):
        told = fake.answer(method, url, headers, body)
        answers.append((fake.asked[-1], json.loads(told[2])))
        return told

    reader.read(answer)
    for (path, params), body in answers:
        assert {re.sub(r"\[.*", "", name) for name, _ in params} <= known_parameters(spec, path)
        schema = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        problems = [p for p in matches(spec, schema, body) if not re.search(OVERLAY[path], p)]
        assert problems == [], (path, problems[:5])
    broken = {"object": "list", "url": "/v1/customers", "has_more": "no", "data": []}
    schema = spec["paths"]["/v1/customers"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert matches(spec, schema, broken) == ["$.has_more is no boolean"]
    print(f"proof: {len(answers)} requests and answers of Stripe keep to the vendor's OpenAPI specification")


@pytest.fixture
def localstripe(tmp_path):
    """A server of Stripe that nobody here wrote, on a port of this machine."""
    try:
        import localstripe  # noqa: F401
        import stripe
    except ImportError:
        reason = "localstripe and stripe are not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "localstripe", "--port", str(port), "--from-scratch"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            client = stripe.StripeClient("sk_test_12345", base_addresses={"api": base})
            for _ in range(100):
                try:
                    client.v1.products.list()
                    break
                except stripe.APIConnectionError:
                    time.sleep(0.2)
            yield base, client
        finally:
            server.terminate()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_nobody_here_wrote_is_read_as_its_vendors_own_client_reads_it(tmp_path, monkeypatch, localstripe):
    base, client = localstripe
    made = client.v1.products.create({"name": "Pro"})
    for key, amount, interval in (("pro-m", 2500, "month"), ("pro-y", 24_000, "year")):
        client.v1.plans.create(
            {"id": key, "amount": amount, "currency": "eur", "interval": interval, "product": made.id}
        )
    for number in range(23):
        who = client.v1.customers.create({"email": f"c{number}@example.com", "name": f"C{number}"})
        method = client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}}
        )
        client.v1.payment_methods.attach(method.id, {"customer": who.id})
        client.v1.customers.update(who.id, {"invoice_settings": {"default_payment_method": method.id}})
        sold = client.v1.subscriptions.create(
            {"customer": who.id, "items": [{"plan": "pro-m" if number % 2 else "pro-y", "quantity": 1 + number % 3}]}
        )
        if number == 0:
            client.v1.subscriptions.cancel(sold.id)
    monkeypatch.setattr("cadran.sources.live.stripe.PAGE", 10)
    monkeypatch.setattr("cadran.sources.live.stripe.EXPAND", ())  # this server knows one discount, and no list of them
    reader = Reader(tmp_path, monkeypatch, f'base = "{base}"')
    monkeypatch.setenv("CADRAN_STRIPE_KEY", "sk_test_12345")
    run = read_connection(reader.project, reader.connection, SHIPPED, Clock(NOW).wire())
    assert [str(issue) for issue in run.issues] == []
    theirs = {}
    for sold in client.v1.subscriptions.list({"status": "all"}).auto_paging_iter():
        for each in sold["items"].data:
            theirs[each.id] = (each.plan.id, str(each.quantity), sold.status, sold.customer, str(each.plan.amount))
    ours = {
        key: (r["price_id"], r["quantity"], r["status"], r["customer"], r["unit_amount"])
        for key, r in reader.newest("items").items()
    }
    assert ours == theirs
    assert len(ours) == 23
    assert set(reader.newest("customers")) == {c.id for c in client.v1.customers.list().auto_paging_iter()}
    assert set(reader.newest("invoices")) == {i.id for i in client.v1.invoices.list().auto_paging_iter()}
    print("proof: localstripe is read by the connector as Stripe's own client reads it")


def two_reads(reader, fake, answer, forget=lambda: None):
    """The first read, a day of changes, the next read; the tables that are left."""
    settled(lambda: reader.read(answer))
    forget()
    for number in range(20, 30):
        fake.put("/v1/invoices", invoice(number, f"cus_{number:04d}", "paid", START + number * DAY // 4))
    fake.put(
        "/v1/subscriptions",
        subscription("sub_new", "cus_0001", [item("si_new", "sub_new", price(1, 2500), 3, START)], START + 170 * DAY),
    )
    fake.drop("/v1/subscriptions", "sub_0003")
    reader.clock.at = NOW + timedelta(days=1)
    settled(lambda: reader.read(answer))
    found = tables(reader.project, "stripe")
    return {
        name: {key: {k: v for k, v in row.items() if k != "_gone_at"} for key, row in rows.items()}
        for name, rows in found.items()
    }


@pytest.mark.slow
def test_stripe_ends_with_the_tables_of_the_calm_run(tmp_path, monkeypatch):
    monkeypatch.setattr("cadran.sources.live.stripe.PAGE", 20)
    calm = filled(50)
    wanted = two_reads(Reader(tmp_path / "calm", monkeypatch), calm, calm.answer)
    for seed in range(30):
        fake, reader = filled(50), Reader(tmp_path / str(seed), monkeypatch)
        chaos = Chaos(fake.answer, seed, rate=0.2, lists=("data",))
        with mortal(monkeypatch, seed):
            found = two_reads(reader, fake, chaos.answer, chaos.pages.clear)  # pages come twice within a read
        assert found == wanted, f"seed {seed}: {chaos.met}"
        assert chaos.requests < 12 * len(calm.asked), f"seed {seed}: {chaos.requests}"
    print(f"proof: chaos, stripe, seeds 0 to {seed}: the tables of the calm run")
