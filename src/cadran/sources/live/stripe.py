"""Stripe: items of subscriptions, invoices and customers, as lists that start with the newest.

* A subscription changes without a new date of creation, so every read of them is whole (``status=all``).
* An invoice changes for as long as it is not paid: what is younger than `OPEN_DAYS` is read each time, and
  everything once a week.
* Records are what Stripe gives; an item also carries what its price and its subscription say, one level up.

Amounts are in the smallest unit of their currency. Source: Stripe API reference, pagination and errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cadran.errors import SourceError
from cadran.sources.live.auth import Fixed
from cadran.sources.live.connection import Kind, Need
from cadran.sources.live.http import Habits, Http, Reply
from cadran.sources.live.stream import Account, Page, Stream, Window
from cadran.sources.live.stripe_price import is_tiered, worth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Record
    from cadran.sources.live.wire import Wire

#: Records of one page, the most that Stripe gives.
PAGE = 100
#: Days for which an invoice is watched for its payment.
OPEN_DAYS = 95
#: Seconds within which an item of a subscription was there from its start.
AT_ONCE = 3_600
#: What is asked to be written out in subscriptions.
EXPAND = ("data.discounts",)


def _stop(reply: Reply) -> str:
    """Stripe's own word for: asking again gives the same answer."""
    told = reply.headers.get("Stripe-Should-Retry", "")
    return "Stripe says that asking again does not help." if told == "false" and reply.status >= 400 else ""


HABITS = Habits(stop=_stop, again=Habits().again | {409})


@dataclass(frozen=True)
class Versioned(Fixed):
    """A key, beside the version of the API that answers are written in.

    Attributes:
        version: The version.
    """

    version: str = ""

    def headers(self) -> Mapping[str, str]:
        """The header with the key, and the version."""
        return {**super().headers(), "Stripe-Version": self.version}


@dataclass
class Books:
    """One Stripe account.

    Attributes:
        http: Its client.
        products: Names of products by id, once they were asked for.
        tiered: Prices by tiers with their tiers, by id, once one of them is met: no list of subscriptions has them.
    """

    http: Http
    products: dict[str, str] = field(default_factory=dict)
    tiered: dict[str, Record] = field(default_factory=dict)

    def streams(self) -> tuple[Stream, ...]:
        """Everything that is read, in order."""
        invoices = Stream(
            "invoices",
            lambda window: self._list("/v1/invoices", window, _invoice, created=True),
            since=True,
            lookback=timedelta(days=OPEN_DAYS),
            deletes="scan",
            grants=("Invoices: read",),
        )
        customers = Stream(
            "customers",
            lambda window: self._list("/v1/customers", window, _customer),
            deletes="scan",
            needed=True,
            grants=("Customers: read",),
        )
        items = Stream(
            "items",
            self._items,
            deletes="scan",
            needed=True,
            grants=("Subscriptions: read", "Products: read", "Prices: read"),
        )
        return customers, items, invoices

    def _items(self, window: Window) -> Iterator[Page]:
        """The items of every subscription; one of a subscription with many of them is asked for by itself."""
        if not self.products:
            for page in self._list("/v1/products", Window(None, window.until), _as_it_is):
                self.products |= {product["id"]: product["name"] for product in page.records}
        more: dict[str, Any] = {"status": "all", "expand[]": list(EXPAND)}
        for page in self._list("/v1/subscriptions", window, _as_it_is, **more):
            found = [item for subscription in page.records for item in self._of(subscription, window)]
            yield Page(found, resume=page.resume)

    def _of(self, subscription: Mapping[str, Any], window: Window) -> Iterator[Record]:
        held = subscription["items"]
        items = list(held["data"])
        if held.get("has_more"):
            rest = Window(None, window.until, items[-1]["id"])
            for page in self._list("/v1/subscription_items", rest, _as_it_is, subscription=subscription["id"]):
                items += page.records
        priced = [{**item, "price": self._priced(item, window)} for item in items]
        share = _discount(subscription, priced)
        for item in priced:
            yield _item(item, subscription, share, self.products)

    def _priced(self, item: Record, window: Window) -> Mapping[str, Any]:
        """The price of an item, whole."""
        price: Mapping[str, Any] = item.get("price") or item.get("plan") or {}
        if not is_tiered(price):
            return price
        if price.get("id") not in self.tiered:
            more: dict[str, Any] = {"expand[]": ["data.tiers"]}
            for page in self._list("/v1/prices", Window(None, window.until), _as_it_is, **more):
                self.tiered |= {each["id"]: each for each in page.records if is_tiered(each)}
        return self.tiered.get(str(price.get("id")), price)

    def _list(
        self,
        path: str,
        window: Window,
        shape: Callable[[Mapping[str, Any]], Record],
        *,
        created: bool = False,
        **params: Any,
    ) -> Iterator[Page]:
        """The pages of a list, each from the last record of the one before.

        Should that record have been deleted since, the list is read from its start again.
        """
        after = window.resume
        since = int(window.since.timestamp()) if created and window.since else None
        while True:
            try:
                asked = {"limit": PAGE, "starting_after": after, "created[gte]": since, **params}
                body = self.http.get(path, asked)
            except SourceError:
                told = self.http.last.body
                error = told.get("error") if isinstance(told, dict) else None
                if after is None or not isinstance(error, dict) or error.get("param") != "starting_after":
                    raise
                after = None
                continue
            records = body["data"]
            after = _last(records, path)["id"] if records else after
            yield Page([shape(record) for record in records], resume=after)
            if not body["has_more"]:
                return


def _last(records: Sequence[Record], path: str) -> Record:
    """The record after which a list goes on: the oldest of a page, in whatever order it came; items have no order."""
    if path == "/v1/subscription_items":
        return records[-1]
    return min(reversed(records), key=lambda record: float(record["created"]))


def _as_it_is(record: Mapping[str, Any]) -> Record:
    return record


def _customer(customer: Mapping[str, Any]) -> Record:
    address = customer.get("address") or {}
    return {**customer, "country": address.get("country")}


def _invoice(invoice: Mapping[str, Any]) -> Record:
    """An invoice with the times of its changes, its tax and its subscription, wherever the version has them."""
    parent = ((invoice.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    changes = invoice.get("status_transitions") or {}
    taxes = invoice.get("total_taxes") or []
    return {
        **invoice,
        "finalized_at": changes.get("finalized_at"),
        "paid_at": changes.get("paid_at"),
        "subscription_id": parent or invoice.get("subscription"),
        "tax": invoice.get("tax") if not taxes else sum(float(tax["amount"]) for tax in taxes),
    }


def _item(
    item: Mapping[str, Any], subscription: Mapping[str, Any], share: float | None, products: Mapping[str, str]
) -> Record:
    """An item with its price and its subscription."""
    price = item["price"]
    amount, quantity = worth(price, item.get("quantity"))
    recurring = price.get("recurring") or price
    product = price.get("product")
    opened, added = float(subscription["created"]), float(item.get("created") or 0)
    told = {
        name: subscription.get(name)
        for name in ("status", "customer", "start_date", "ended_at", "canceled_at", "trial_end", "cancel_at")
    }
    return {
        **item,
        **told,
        "subscription_id": subscription["id"],
        "subscription_created": subscription["created"],
        # one that was added later counts from then on, one of a subscription with an earlier start from its start
        "in_effect_from": item["created"] if added > opened + AT_ONCE else subscription.get("start_date"),
        "price_id": price.get("id"),
        "unit_amount": amount,
        "quantity": quantity,
        "currency": price.get("currency"),
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "usage_type": recurring.get("usage_type"),
        "product_name": products.get(str(product), product),
        "discount_share": share,
    }


def _discount(subscription: Mapping[str, Any], items: list[Any]) -> float | None:
    """The share of its price that a subscription is given off for longer than one invoice; None for nothing."""
    left, total = 1.0, sum(_worth(item) for item in items)
    for discount in subscription.get("discounts") or []:
        coupon = discount.get("coupon") if isinstance(discount, dict) else None
        if not coupon or coupon.get("duration") == "once":
            continue
        if coupon.get("percent_off"):
            left *= 1 - float(coupon["percent_off"]) / 100
        elif coupon.get("amount_off") and total:
            left -= float(coupon["amount_off"]) / total
    return round(1 - max(left, 0.0), 9) or None


def _worth(item: Mapping[str, Any]) -> float:
    amount, times = worth(item["price"], item.get("quantity"))
    return float(amount or 0) * float(times)


def _open(connection: Connection, wire: Wire) -> Account:
    auth = Versioned(connection.places["key"].get(), version=connection.settings["version"])
    http = Http(connection.settings["base"], auth, wire, HABITS)
    return Account(Books(http).streams(), http.meter, http.close)


KIND = Kind(
    "stripe",
    "Stripe",
    (Need("key", "A restricted key that may read customers, subscriptions, products and invoices."),),
    (
        Need("version", "Version of the API that answers are written in.", "2025-08-27.basil"),
        Need("base", "Address of the API.", "https://api.stripe.com", r"https?://\S+"),
    ),
    _open,
)
