"""What sellers of the random company do: touches, approaches, and what they add to deals and stages.

Drawn apart from the other rows, so that those stay what they were for a seed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from oracles.chance import FIRST, KNOWN_AT, Chance, Row

N_TOUCHES, N_APPROACHES, N_COVERED, N_FORECASTS, N_WEEKS = 2500, 1500, 1200, 600, 900
QUARTERS = [datetime(year, month, 1) for year in (2024, 2025, 2026) for month in (1, 4, 7, 10)]
CAME = ("opening", "created", "progressed", "pulled_in", "reopened", "resized")
LEFT = ("won", "lost", "closed", "regressed", "pushed_out", "expired")


class Sales(Chance):
    """Draws the rows of sellers, and columns of rows that are there already."""

    def add(self, found: dict[str, list[Row]]) -> dict[str, list[Row]]:
        """The same rows with those of sellers."""
        for row in found["opportunity"]:
            row.update(self._of_deal(row))
        won = {row["id"] for row in found["opportunity"] if row["is_won"]}
        for row in found["stage_passage"]:
            row.update(
                n_touches=None if self.hits(0.02) else int(self.rng.poisson(3)),
                opportunity_is_won=row["opportunity_id"] in won or self.one(None, False),
                state=self._state(row),
            )
        found["touch"] = [self._touch(number) for number in range(N_TOUCHES)]
        found["account_approach"] = [self._approach(number) for number in range(N_APPROACHES)]
        found["coverage_movement"] = [row for number in range(N_COVERED) for row in self._covered(number)]
        found["forecast_outcome"] = [self._forecast(number) for number in range(N_FORECASTS)]
        found["selling_week"] = [self._week(number) for number in range(N_WEEKS)]
        return found

    def _of_deal(self, deal: Row) -> Row:
        return {
            "n_touches": int(self.rng.poisson(12)) if self.hits(0.97) else None,
            "is_silent": self.one(None, False) if deal["is_closed"] else self.one(True, False, None),
            "creator": self.one("Léa Garnier", "Tom O'Neil", None),
            "baseline_cycle_days": self.one(60.0, 45.5, None),
        }

    def _state(self, passage: Row) -> str:
        if passage["advanced_at"]:
            return "advanced"
        if passage["is_open"]:
            return "open"
        return "lost" if passage["lost_at"] else self.one("regressed", "handed_off")

    def _touch(self, number: int) -> Row:
        kind = self.one("email", "email", "call", "linkedin", "meeting", "message")
        is_held = kind == "meeting" and self.hits(0.8)
        return self.dimensions() | {
            "id": f"t{number}", "occurred_at": self.moment(), "activity_type": kind, "is_meeting": kind == "meeting",
            "is_held": is_held or self.one(None, False), "n_records": 1,
            "is_qualified_meeting": (is_held and self.hits(0.6)) or self.one(None, False),
            "channel": None, "source": None, "product": None,
        }  # fmt: skip

    def _approach(self, number: int) -> Row:
        started = self.moment()
        met: datetime | None = self.before_known(started + self.days(40)) if self.hits(0.5) else None
        return self.dimensions() | {
            "id": f"a{number}", "started_at": started, "met_at": met, "observed_until": KNOWN_AT + timedelta(0),
            "is_met": met is not None or self.one(None, False),
            "n_touches": None if self.hits(0.02) else int(self.rng.integers(0, 12)),
        }  # fmt: skip

    def _covered(self, number: int) -> list[Row]:
        """What one deal, win or quota adds to a quota period while it lasts."""
        place = int(self.rng.integers(len(QUARTERS) - 1))
        horizon = self.one("current", "current", "next")
        if horizon == "next" and place == 0:
            horizon = "current"
        shared = self.dimensions() | {
            "opportunity_id": f"o{number}", "horizon": horizon, "start_on": QUARTERS[place].date(),
            "end_on": QUARTERS[place + 1].date(),
        }  # fmt: skip
        start = QUARTERS[place] if horizon == "current" else QUARTERS[place - 1]
        end = QUARTERS[place + 1] if horizon == "current" else QUARTERS[place]
        came = start + (end - start) * float(self.rng.random())
        left = came + (end - came) * float(self.rng.random())
        kind = self.one("deal", "deal", "deal", "signed", "quota")
        if kind != "deal":
            came, left = (start if kind == "quota" else came), end
        rate = self.one(1, 1, 1, 1, 0) if self.hits(0.02) else 1
        worth = self.money(20_000 if kind != "quota" else 60_000)
        if self.hits(0.03):
            worth = self.money(900_000)
        rows = []
        for sign, at in ((1, came), (-1, left)):
            name = {"deal": self.one(*(CAME if sign > 0 else LEFT))}.get(kind, kind)
            amounts = {"amount": "deal", "won": "signed", "quota": "quota"}
            deltas = {
                f"{column}_delta": sign * rate * worth if kind == of else Decimal(0) for column, of in amounts.items()
            }
            rows.append(
                shared | deltas | {
                    "moved_at": at, "movement": name, "n_delta": sign,
                    "unrated_delta": sign * (1 - rate),
                }
            )  # fmt: skip
        return [row for row in rows if row["moved_at"] <= KNOWN_AT]

    def _forecast(self, number: int) -> Row:
        place = int(self.rng.integers(9))
        forecast, actual = (Decimal(0) if self.hits(0.1) else self.money(40_000) for _ in range(2))
        return self.dimensions() | {
            "id": f"f{number}", "scope_type": "owner", "start_on": QUARTERS[place].date(), "end_on": QUARTERS[place + 1].date(),
            "last_on": (QUARTERS[place + 1] - timedelta(days=1)).date(), "horizon": self.one("start", "middle"),
            "forecast_type": self.one("commit", "commit", "best_case"), "forecast": forecast, "actual": actual,
            "error": forecast - actual, "abs_error": abs(forecast - actual), "is_submitted": self.one(True, True, False, None),
            "is_final": self.one(True, True, True, None, False), "is_unrated": self.one(False, None),
        }  # fmt: skip

    def _week(self, number: int) -> Row:
        monday = FIRST.date() + timedelta(days=7 * int(self.rng.integers(115)))
        is_tracked = self.one(True, True, True, False, None)
        minutes = float(self.rng.integers(100, 3600)) + 0.25 if is_tracked else 0.0
        return self.dimensions() | {
            "id": f"w{number}", "week_on": monday, "minutes": minutes, "selling_minutes": round(minutes * 0.28, 3),
            "is_tracked": is_tracked, "is_over": self.one(False, False, None, True) if is_tracked else None,
        }  # fmt: skip
