"""How much data a benchmark uses. Everything else follows from the number of deals."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from cadran.canonical.settings import Settings

SEED = 20_260_701
ZONE, CURRENCY = "Europe/Paris", "EUR"
#: Summer times of the zone, from 1:00 UTC to 1:00 UTC, for who does without a library of zones.
SUMMERS = (
    ("2022-03-27", "2022-10-30"),
    ("2023-03-26", "2023-10-29"),
    ("2024-03-31", "2024-10-27"),
    ("2025-03-30", "2025-10-26"),
    ("2026-03-29", "2026-10-25"),
)
#: The whole of 30 June 2026 in Paris is known, as naive UTC.
KNOWN_AT = datetime(2026, 6, 30, 22)  # noqa: DTZ001 - canonical instants are naive UTC
SETTINGS = Settings(known_at=KNOWN_AT, currency=CURRENCY, zone=ZONE)
BUILT_AT = datetime(2026, 7, 1, 4, tzinfo=UTC)
FIRST, START, END = date(2023, 7, 1), date(2024, 7, 1), date(2026, 7, 1)
#: Days of which deals are made up: three years, of which the dashboard shows the last two.
DAYS = (END - FIRST).days
#: Deals made up in one go.
CHUNK = 1_000_000


@dataclass(frozen=True)
class Scale:
    """Sizes of one scale.

    Attributes:
        name: XS, S, M, L or 10xL.
        deals: Opportunities.
    """

    name: str
    deals: int

    @property
    def chunk(self) -> int:
        """Deals of one file."""
        return min(self.deals, CHUNK)

    @property
    def chunks(self) -> int:
        """Files by entity."""
        return self.deals // self.chunk

    @property
    def folder(self) -> Path:
        """Where the data of this scale lies."""
        return root() / self.name

    @property
    def snapshot(self) -> Path:
        """The file of its snapshot, which `snapshot.snapshot` builds."""
        state = self.folder / ".cadran"
        return state / "snapshots" / (state / "CURRENT").read_text().strip()

    @property
    def canonical(self) -> Path:
        """Its canonical tables as Parquet, which `snapshot.parquet` writes."""
        return self.folder / "canonical"

    @property
    def minutes(self) -> Path:
        """Working time by day as Parquet, which is no data of the company; `snapshot.parquet` writes it."""
        return self.folder / "working_minutes.parquet"


SCALES = {
    name: Scale(name, deals)
    for name, deals in (("XS", 400), ("S", 10_000), ("M", 100_000), ("L", 1_000_000), ("10xL", 10_000_000))
}


def root() -> Path:
    """The folder of all benchmark data: ``CADRAN_BENCH``, or ``.cadran-bench`` of the repository."""
    named = os.environ.get("CADRAN_BENCH")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".cadran-bench"
