"""The rows of a random company: deals, revenue and leads, made up directly as they are published."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from cadran.period import local_day, shift_months
from oracles.chance_market import add_market

ZONE = ZoneInfo("Europe/Paris")
#: 10 April 2026, 14:30 in Paris, as naive UTC: April is not over, and neither is that day.
KNOWN_AT = datetime(2026, 4, 10, 12, 30)
KNOWN_ON = date(2026, 4, 10)
FIRST = datetime(2024, 1, 1, 8)
SEGMENTS = ("SMB", "Mid-market", "Enterprise", None)
STAGES = ("contact", "qualification", "demo", "proposal", "closing")
CENT = Decimal("0.0001")
Row = dict[str, Any]


@dataclass
class Chance:
    """Draws the rows of a company."""

    seed: int
    n: dict[str, int] = field(
        default_factory=lambda: {"deals": 2600, "customers": 320, "leads": 2200, "responses": 1800}
    )

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.found: dict[str, list[Row]] = defaultdict(list)

    def rows(self) -> dict[str, list[Row]]:
        for number in range(self.n["deals"]):
            self._deal(number)
        for number in range(self.n["customers"]):
            self._customer(number)
        for number in range(self.n["leads"]):
            self._lead(number)
        for number in range(self.n["responses"]):
            self._response(number)
        add_market(self, ZONE, KNOWN_AT, KNOWN_ON)
        return dict(self.found)

    def hits(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def days(self, mean: float) -> timedelta:
        return timedelta(seconds=round(float(self.rng.exponential(mean)) * 86_400))

    def moment(self) -> datetime:
        span = int((KNOWN_AT - FIRST).total_seconds())
        return FIRST + timedelta(seconds=int(self.rng.integers(span)))

    def before_known(self, moment: datetime) -> datetime | None:
        return moment if moment <= KNOWN_AT else None

    def money(self, mean: float) -> Decimal:
        return Decimal(round(float(self.rng.gamma(2.0, mean / 2)), 2)).quantize(Decimal("0.01"))

    def dimensions(self) -> Row:
        return {
            "segment": self.one(*SEGMENTS),
            "industry": self.one("Software", "Industrie", None),
            "country": self.one("FR", "US", "DE"),
            "market": self.one("FR", "US"),
            "channel": self.one("Organic search", "Outbound", "Partner", None),
            "source": self.one("web", "event", None),
            "owner": self.one("Léa Garnier", "Tom O'Neil", None),
            "team": self.one("Paris", "Boston"),
            "product": self.one("Core", "Plus"),
            "is_target": self.one(True, False, None),
        }

    # deals ------------------------------------------------------------------------------------

    def _deal(self, number: int) -> None:
        created = self.moment()
        kind = self.one("new", "new", "expansion", "renewal", None)
        shared = {**self.dimensions(), "pipeline": self.one("Sales", "Renewals"), "opportunity_type": kind}
        path = self._path(f"o{number}", created, shared)
        row = self._opportunity(f"o{number}", created, shared | {"type": kind}, path)
        self.found["opportunity"].append(row)
        if not row["is_test"] and row["deleted_at"] is None and row["merged_into_id"] is None:
            self.found["stage_passage"] += path.passages
            self.found["stage_interval"] += path.intervals
            self._moves(row, path)

    def _opportunity(self, id_: str, created: datetime, shared: Row, path: _Path) -> Row:
        closed = path.closed_at
        if closed and self.hits(0.02):
            closed = created - self.days(5)  # a quality error: closed before it was created
        amount = None if self.hits(0.06) else self.money(20_000)
        if amount is not None and self.hits(0.06):
            amount = self.one(Decimal(0), -amount)
        rate = self.one(Decimal(1), Decimal("0.9137"))
        base = None if amount is None else (amount * rate).quantize(CENT)
        months = self.one(Decimal(6), Decimal(12), Decimal(36), None)
        acv = None if base is None else (base * 12 / max(months or Decimal(12), Decimal(12))).quantize(CENT)
        won = path.outcome == "won" if closed else self.one(None, False)
        outcome = path.outcome
        if outcome == "lost":
            outcome = self.one("lost", "lost", "no_decision", "disqualified", None)
        span = None if closed is None else float((local_day(closed, ZONE) - local_day(created, ZONE)).days)
        common = {
            "id": id_,
            "created_at": created,
            "deleted_at": self.moment() if self.hits(0.02) else None,
            "merged_into_id": "o0" if self.hits(0.01) else None,
            "is_test": self.one(True, None) if self.hits(0.04) else False,
            "is_imported": self.one(True, None) if self.hits(0.05) else False,
            "business_created_at": created - self.days(3) if self.hits(0.7) else None,
        }
        return shared | common | {
            "stage": path.stage,
            "amount": amount,
            "currency": "EUR" if rate == 1 else "USD",
            "amount_base": base,
            "acv": None if acv is None else (acv / rate).quantize(CENT),
            "acv_base": acv,
            "tcv_base": base,
            "asp_base": base,
            "term_months": months,
            "is_closed": closed is not None or self.one(None, False),
            "is_won": won,
            "outcome": outcome,
            "closed_at": closed,
            "cycle_days": span,
            "is_cycle_valid": None if span is None else span >= 0,
            "age_days": float((KNOWN_ON - local_day(created, ZONE)).days),
            "is_engaged": path.engaged_at is not None,
            "engaged_at": path.engaged_at,
            "is_qualified": path.qualified_at is not None or self.one(None, False),
            "qualified_at": path.qualified_at,
            "is_stale": None if closed else self.one(True, False, None),
            "lost_reason": self.one("price", "timing", None) if outcome not in (None, "won") else None,
        }  # fmt: skip

    def _path(self, id_: str, created: datetime, shared: Row) -> _Path:
        """The stages that a deal went through, some skipped, some gone back to."""
        path = _Path(id_, shared)
        place, at = 0, created
        while True:
            leaves = self.before_known(at + self.days(18))
            fate = "open" if leaves is None else self.one("up", "up", "up", "skip", "back", "lost", "stuck")
            path.stay(place, at, leaves if fate not in ("open", "stuck") else None)
            if leaves is None or fate in ("open", "stuck"):
                break
            if fate == "lost":
                path.close("lost", leaves)
                break
            place += {"up": 1, "skip": 2, "back": -1 if place else 1}[fate]
            at = leaves
            if place >= len(STAGES):
                path.close("won", leaves)
                break
        path.settle()
        return path

    def _moves(self, deal: Row, path: _Path) -> None:
        """What a deal adds to the open pipeline: created, qualified, re-valued, moved to another segment, closed."""
        amount = deal["amount_base"] or Decimal(0)
        here = dict(path.shared.items())
        base = {"opportunity_id": deal["id"]}
        end = path.closed_at or KNOWN_AT

        def move(
            kind: str, at: datetime, stage: str, sign: int, *, value: Decimal, qualified: bool, n: int = 1
        ) -> None:
            delta = sign * value
            row = here | base | {
                "moved_at": at, "type": kind, "stage": stage, "amount_delta": delta, "n_delta": sign * n,
                "qualified_amount_delta": delta if qualified else Decimal(0),
                "qualified_n_delta": sign * n if qualified else 0,
            }  # fmt: skip
            self.found["pipeline_movement"].append(row)

        stage, qualified, worth = STAGES[0], False, amount
        move("created", deal["created_at"], stage, 1, value=worth, qualified=False)
        if path.qualified_at and path.qualified_at < end:
            move("stage_out", path.qualified_at, stage, -1, value=worth, qualified=False)
            stage, qualified = STAGES[1], True
            move("stage_in", path.qualified_at, stage, 1, value=worth, qualified=True)
        middle = deal["created_at"] + (end - deal["created_at"]) * 0.9
        if (path.qualified_at is None or path.qualified_at < middle) and self.hits(0.3):
            change = self.money(3000)
            move("amount", middle, stage, 1, value=change, qualified=qualified, n=0)
            worth += change
        if (path.qualified_at is None or path.qualified_at < middle) and self.hits(0.05):
            move("dimension_out", middle, stage, -1, value=worth, qualified=qualified)
            here["segment"] = self.one(*SEGMENTS)
            move("dimension_in", middle, stage, 1, value=worth, qualified=qualified)
        if path.closed_at:
            move(str(path.outcome), path.closed_at, stage, -1, value=worth, qualified=qualified)

    # revenue ----------------------------------------------------------------------------------

    def _customer(self, number: int) -> None:
        """Movements of one customer, and its month ends netted over one and twelve months."""
        shared = self.dimensions()
        rate = self.one(Decimal(1), Decimal("0.9137"))
        base = {"customer_id": f"c{number}", "account_id": f"a{number}", "currency": "EUR" if rate == 1 else "USD"}
        moves: list[tuple[datetime, str, Decimal, int]] = []
        at, level, was = self.moment(), Decimal(0), False
        while at <= KNOWN_AT:
            kind, delta, n = self._next_move(level, was=was)
            moves.append((at, kind, delta, n))
            level, was = level + delta, True
            at += self.days(120)
        level = Decimal(0)
        for at, kind, delta, n in moves:
            worth = (delta * rate).quantize(CENT)
            if kind == "churn" and level == 0:
                worth = Decimal(0)
            row = shared | base | {
                "moved_at": at, "type": kind, "mrr_delta": delta, "mrr_before": level, "mrr_after": level + delta,
                "mrr_delta_base": worth, "mrr_delta_constant": worth, "n_delta": n,
            }  # fmt: skip
            self.found["mrr_movement"].append(row)
            level += delta
            if rate != 1 and self.hits(0.5):
                gain = self.money(20) - 10
                row = shared | base | {
                    "moved_at": at, "type": "fx", "mrr_delta": Decimal(0), "mrr_before": level, "mrr_after": level,
                    "mrr_delta_base": gain, "mrr_delta_constant": Decimal(0), "n_delta": 0,
                }  # fmt: skip
                self.found["mrr_movement"].append(row)
        self.found["customer_month"] += _month_ends(moves, shared | base)

    def _next_move(self, level: Decimal, *, was: bool) -> tuple[str, Decimal, int]:
        if level == 0:
            return ("reactivation" if was else "new"), self.money(400) + 1, 1
        kind = self.one("expansion", "expansion", "contraction", "churn")
        if kind == "expansion":
            return kind, self.money(150) + 1, 0
        if kind == "contraction":
            return kind, -(level / 4).quantize(Decimal("0.01")), 0
        return "churn", -level, -1

    # leads ------------------------------------------------------------------------------------

    def _lead(self, number: int) -> None:
        lead = self.moment()
        mql = self.before_known(lead + self.days(10)) if self.hits(0.7) else None
        sql = self.before_known((mql or lead) + self.days(45)) if self.hits(0.5) else None
        deal = self.before_known((sql or lead) + self.days(40)) if self.hits(0.4) else None
        if deal and self.hits(0.02):
            deal = lead - self.days(4)  # opened before the lead was: a quality error
        row = self.dimensions() | {
            "person_id": f"p{number}", "cycle": 1, "started_at": lead, "lead_at": lead if self.hits(0.95) else None,
            "mql_at": mql, "sql_at": sql, "opportunity_at": deal,
            "customer_at": self.before_known(deal + self.days(90)) if deal and self.hits(0.5) else None,
            "observed_until": KNOWN_AT, "is_direct_sql": (sql is not None and mql is None) or self.one(None, False),
        }  # fmt: skip
        self.found["lead_cycle"].append(row)

    def _response(self, number: int) -> None:
        lead = self.moment() if self.hits(0.97) else KNOWN_AT - timedelta(minutes=int(self.rng.integers(2000)))
        answer = (
            self.before_known(lead + timedelta(minutes=int(self.rng.integers(1, 5000)))) if self.hits(0.75) else None
        )
        watched = (answer or KNOWN_AT) - lead
        elapsed = watched.total_seconds() / 3600
        row = self.dimensions() | {
            "lead_id": f"l{number}", "created_at": lead, "responded_at": answer, "observed_until": answer or KNOWN_AT,
            "is_answered": answer is not None or self.one(None, False), "elapsed_hours": elapsed,
            "working_hours": float(self.rng.integers(0, 4)) if self.hits(0.3) else elapsed / 4,
            "is_valid": self.one(False, None) if self.hits(0.05) else True,
        }  # fmt: skip
        self.found["lead_response"].append(row)


@dataclass
class _Path:
    """The stays of one deal, and one passage per stage made of them."""

    id: str
    shared: Row
    stays: list[tuple[int, datetime, datetime | None]] = field(default_factory=list)
    outcome: str | None = None
    closed_at: datetime | None = None
    passages: list[Row] = field(default_factory=list)
    intervals: list[Row] = field(default_factory=list)

    def stay(self, place: int, at: datetime, left: datetime | None) -> None:
        self.stays.append((place, at, left))

    def close(self, outcome: str, at: datetime) -> None:
        self.outcome, self.closed_at = outcome, at

    @property
    def stage(self) -> str:
        return STAGES[self.stays[-1][0]] if self.outcome is None else str(self.outcome)

    @property
    def engaged_at(self) -> datetime | None:
        return self._first(1)

    @property
    def qualified_at(self) -> datetime | None:
        return self._first(2)

    def _first(self, place: int) -> datetime | None:
        return next((at for stay, at, _ in self.stays if stay >= place), None)

    def settle(self) -> None:
        """Make the rows of `stage_passage` and `stage_interval`."""
        for seq, (place, at, left) in enumerate(self.stays):
            row = self.shared | {
                "opportunity_id": self.id, "stage": STAGES[place], "position": place + 1, "seq": seq + 1,
                "entered_at": at, "exited_at": left, "is_regression": seq > 0 and place < self.stays[seq - 1][0],
                "is_implied": False, "days": ((left or KNOWN_AT) - at).total_seconds() / 86_400,
            }  # fmt: skip
            self.intervals.append(row)
        top = max(place for place, _, _ in self.stays)
        for place in range(top + 1):
            self._passage(place)

    def _passage(self, place: int) -> None:
        own = [(at, left) for stay, at, left in self.stays if stay == place]
        entered = self._first(place)
        later = self._first(place + 1) or (self.closed_at if self.outcome == "won" else None)
        strict = next((at for stay, at, _ in self.stays if stay == place + 1), None)
        if place == len(STAGES) - 1:
            strict = later
        is_last = self.stays[-1][0] == place
        is_open = is_last and self.outcome is None
        row = self.shared | {
            "opportunity_id": self.id, "stage": STAGES[place], "position": place + 1, "entered_at": entered,
            "advanced_at": later, "advanced_strict_at": strict if own else None,
            "lost_at": self.closed_at if self.outcome == "lost" and later is None else None, "n_entries": len(own),
            "decided_at": later or (self.closed_at if self.outcome == "lost" else None),
            "is_implied": not own or (None if self.id.endswith("7") else False),
            "days": sum(((left or KNOWN_AT) - at).total_seconds() for at, left in own) / 86_400,
            "age_days": (KNOWN_AT - entered).total_seconds() / 86_400 if entered else None,
            "is_open": is_open or (None if self.id.endswith("3") else False),
        }  # fmt: skip
        self.passages.append(row)


def _month_ends(moves: list[tuple[datetime, str, Decimal, int]], shared: Row) -> list[Row]:
    """Month ends of one customer, by what it paid then, one month and twelve months before."""
    first = local_day(moves[0][0], ZONE).replace(day=1)
    months = [first]
    while (following := shift_months(months[-1], 1)) <= KNOWN_ON:
        months.append(following)
    ends, left = [], []
    for month in months:
        after = shift_months(month, 1)
        ends.append(sum((delta for at, _, delta, _ in moves if local_day(at, ZONE) < after), Decimal(0)))
        left.append(any(k == "churn" and month <= local_day(at, ZONE) < after for at, k, _, _ in moves))
    rows = []
    for place, month in enumerate(months):
        row = shared | {
            "month_on": min(shift_months(month, 1) - timedelta(days=1), KNOWN_ON),
            "mrr_end": ends[place], "mrr_end_base": ends[place], "is_final": shift_months(month, 1) <= KNOWN_ON,
        }  # fmt: skip
        for size in (1, 12):
            row |= _window(ends, left, place, size)
        if row["mrr_end"] or row["mrr_1m_before"] or row["mrr_12m_before"]:
            row.pop("currency")
            rows.append(row)
    return rows


def _window(ends: list[Decimal], left: list[bool], place: int, size: int) -> Row:
    none = Decimal(0)
    end, before = ends[place], ends[place - size] if place >= size else none
    paid = any(ends[: max(place - size + 1, 0)])
    stayed = before > 0 and end > 0 and not any(left[max(place - size + 1, 0) : place + 1])
    return {
        f"mrr_{size}m_before": before,
        f"expansion_{size}m": max(end - before, none) if stayed else none,
        f"contraction_{size}m": max(before - end, none) if stayed else none,
        f"churn_{size}m": before if before > 0 and not stayed else none,
        f"reactivation_{size}m": end if end > 0 and not stayed and (before > 0 or paid) else none,
        f"new_{size}m": end if end > 0 and before == 0 and not paid else none,
        f"retained_{size}m": min(before, end) if stayed else none,
    }
