"""The random company's outreach, costs, web, target accounts and customer health, beside its deals and revenue."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cadran.period import local_day, shift_months

if TYPE_CHECKING:
    from oracles.chance import Chance

    Row = dict[str, Any]

CENT = Decimal("0.0001")
ORIGINS = ("organic_search", "direct", "paid_search", "paid", "outbound", None)
LINES = ("salary", "ads", "tooling", "agency", "event", "other")


def add_market(chance: Chance, zone: Any, known_at: Any, known_on: date) -> None:
    """Add what marketing and finance measure to the rows of a company that is made."""
    _Market(chance, zone, known_at, known_on).add()


class _Market:
    def __init__(self, chance: Chance, zone: Any, known_at: Any, known_on: date) -> None:
        self.chance, self.zone, self.known_at, self.known_on = chance, zone, known_at, known_on

    def add(self) -> None:
        self._deals()
        self._margins()
        for number in range(900):
            self._prospect(number)
        months = [date(2024, 1, 1)]
        while (following := shift_months(months[-1], 1)) <= self.known_on:
            months.append(following)
        for month in months:
            self._costs(month)
            self._targets(month)
        self._web()
        self._health()

    def _deals(self) -> None:
        for number, row in enumerate(self.chance.found["opportunity"]):
            if number % 4 == 0 and row["is_won"] and row["amount"] is not None:  # a credit
                row |= {name: -abs(row[name]) for name in ("amount", "amount_base")}
            row["origin"] = self.chance.one(*ORIGINS)
            if row["closed_at"] is not None:
                later = shift_months(local_day(row["closed_at"], self.zone), 12)
                row["anniversary_on"] = later if later <= self.known_on else None

    def _margins(self) -> None:
        shares: dict[str, Decimal] = {}
        for row in [*self.chance.found["mrr_movement"], *self.chance.found["customer_month"]]:
            share = shares.setdefault(
                row["customer_id"], self.chance.one(Decimal("0.81"), Decimal("0.64"), Decimal("0.9"))
            )
            if "mrr_delta_base" in row:
                row["margin_delta_base"] = (row["mrr_delta_base"] * share).quantize(CENT)
                row["origin"] = ORIGINS[len(row["customer_id"]) % 4]
            else:
                row["margin_end_base"] = (row["mrr_end_base"] * share).quantize(CENT)

    def _prospect(self, number: int) -> None:
        chance = self.chance
        shared = chance.dimensions() | {"sequence": chance.one("FR cold", "US cold"), "person_id": f"p{number}"}
        started = chance.moment()
        base = shared | {
            "prospect_id": f"p{number} 1",
            "run": 1,
            "started_at": started,
            "is_abm": chance.one(True, False),
        }
        answers = chance.hits(0.25)
        rows = []
        for step in range(1, int(chance.rng.integers(1, 5)) + 1):
            at = started + timedelta(days=4 * (step - 1))
            if at > self.known_at:
                break
            rows.append(base | {
                "step": step, "message": f"Step {step}", "channel": chance.one("email", "email", "linkedin"),
                "delivered_at": at, "is_first": step == 1,
            })  # fmt: skip
        credited = rows[int(chance.rng.integers(len(rows)))]
        replied = chance.before_known(credited["delivered_at"] + chance.days(6)) if answers else None
        mood = chance.one("positive", "neutral", "negative") if replied else None
        met = chance.before_known(replied + chance.days(20)) if replied and chance.hits(0.5) else None
        for row in rows:
            row |= {"run_replied_at": replied, "run_sentiment": mood, "run_meeting_at": met}
        credited["replied_at"] = replied
        chance.found["outreach_delivery"] += rows
        for row in rows:
            sent = {
                "id": f"{row['prospect_id']}/{row['step']}", "sequence": row["sequence"], "channel": row["channel"],
                "sent_at": row["delivered_at"], "bounced_at": row["delivered_at"] if chance.hits(0.05) else None,
            }  # fmt: skip
            chance.found["outreach_message"].append(sent)

    def _costs(self, month: date) -> None:
        for line in LINES:
            for market in ("FR", "US", None):
                if self.chance.hits(0.2):
                    continue
                day = min(month + timedelta(days=int(self.chance.rng.integers(28))), self.known_on)
                amount = self.chance.money(9000)
                row = {
                    "spend_id": f"{month}{line}{market}", "day_on": day, "cost_line": line, "market": market,
                    "lagged_on": day + timedelta(days=63), "amount": amount, "amount_base": amount, "currency": "EUR",
                    "channel": self.chance.one("Outbound", None), "department": self.chance.one("sales", "marketing"),
                }  # fmt: skip
                self.chance.found["cost"].append(row)

    def _targets(self, month: date) -> None:
        end = min(shift_months(month, 1) - timedelta(days=1), self.known_on)
        for number in range(80):
            if self.chance.hits(0.1):
                continue
            people = int(self.chance.rng.integers(0, 4))
            row = self.chance.dimensions() | {
                "account_id": f"t{number}", "month_on": end, "is_final": shift_months(month, 1) <= self.known_on,
                "n_people": people, "n_touches": people and people + int(self.chance.rng.integers(0, 3)),
            }  # fmt: skip
            self.chance.found["target_account"].append(row)

    def _web(self) -> None:
        day = date(2025, 1, 1)
        while day <= self.known_on:
            clicks = int(self.chance.rng.integers(0, 60))
            self.chance.found["search_performance"].append({
                "id": f"s{day}", "day_on": day, "clicks": clicks, "impressions": clicks * 30 + 7, "is_total": True,
                "position_sum": clicks * 412.5 if self.chance.hits(0.9) else None,
            })  # fmt: skip
            self.chance.found["search_performance"].append({
                "id": f"q{day}", "day_on": day, "clicks": 1, "impressions": 5, "position_sum": 7.5,
                "is_total": self.chance.one(False, None),
            })  # fmt: skip
            for channel in ("Organic search", None):
                sessions = int(self.chance.rng.integers(1, 90))
                self.chance.found["web_session_daily"].append({
                    "id": f"w{day}{channel}", "day_on": day, "channel": channel, "source": self.chance.one("google", None),
                    "sessions": sessions, "engaged_sessions": sessions // 2 if self.chance.hits(0.9) else None,
                    "page_views": sessions * 2 + 1 if self.chance.hits(0.9) else None,
                })  # fmt: skip
            day += timedelta(days=1)

    def _health(self) -> None:
        months = [row for row in self.chance.found["customer_month"] if row["mrr_end"] > 0]
        first = min(row["month_on"] for row in months)
        for row in months:
            silent = int(self.chance.rng.integers(0, 200))
            last = None if self.chance.hits(0.1) else row["month_on"] - timedelta(days=silent)
            kept = {name: value for name, value in row.items() if name in {*self.chance.dimensions(), "customer_id", "account_id", "month_on", "is_final", "mrr_end"}}  # fmt: skip
            self.chance.found["account_health"].append(kept | {
                "mrr_3m_before": self.chance.one(Decimal(0), row["mrr_end"], row["mrr_end"] + 5),
                "last_touch_on": last, "days_since_touch": None if last is None else silent,
                "open_pipeline": self.chance.one(Decimal(0), Decimal("1250.5")),
                "observed_months": (row["month_on"].year - first.year) * 12 + row["month_on"].month - first.month + 1,
            })  # fmt: skip
