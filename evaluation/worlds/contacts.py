"""Contacts of a CRM in five languages, each person recorded once to four times, and a pool of namesakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cadran.matching.rows import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

#: Where the simulator of the shared folder starts to measure rather than to make.
MEASURES = "for n in (100000,):"
FIRST = [
    "jean",
    "marie",
    "anne",
    "michel",
    "paul",
    "pierre",
    "louis",
    "julie",
    "sophie",
    "laura",
    "thomas",
    "nicolas",
    "emma",
    "lea",
    "camille",
    "hugo",
    "luc",
    "lucie",
]
LAST = [
    "martin",
    "bernard",
    "dubois",
    "thomas",
    "robert",
    "richard",
    "petit",
    "durand",
    "leroy",
    "moreau",
    "simon",
    "laurent",
    "lefebvre",
    "michel",
    "garcia",
]
TOWNS = [
    "lyon",
    "paris",
    "lille",
    "nantes",
    "brest",
    "dijon",
    "reims",
    "tours",
    "metz",
    "rouen",
    "nancy",
    "caen",
    "limoges",
    "amiens",
    "nice",
    "pau",
]
TRADES = [
    "conseil",
    "logistique",
    "travaux",
    "presse",
    "sante",
    "energie",
    "formation",
    "finance",
    "transport",
    "textile",
    "optique",
]


def simulator(shared: Path) -> dict[str, Any]:
    """The names of the shared simulator of contacts, read in place."""
    path = shared / "simulators" / "dedupe" / "bench3.py"
    names: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8").split(MEASURES)[0], str(path), "exec"), names)  # noqa: S102 - in place
    for name in ("FN", "LN", "CW", "CS", "SUF", "FREE"):
        names[name] = np.array(names[name])  # the same draws, without copying a list for each
    return names


def simulated(names: dict[str, Any], n: int, seed: int) -> tuple[pa.Table, list[int]]:
    """Records, and the person that each is of."""
    frame = names["crm"](n, seed)
    rows = {
        "id": [f"{number:07d}" for number in frame["id"]],
        "name": (frame["first"].fillna("") + " " + frame["last"].fillna("")).tolist(),
        **{
            name: [value if isinstance(value, str) else None for value in frame[name]]
            for name in ("company", "phone", "email")
        },
    }
    return _table(rows), frame["cluster"].tolist()


def namesakes(n: int, rng: np.random.Generator) -> tuple[pa.Table, list[int]]:
    """People of few names, with the number of their switchboard and free mail; one in five is recorded twice."""
    rows: dict[str, list[str | None]] = {name: [] for name in ("id", "name", "company", "phone", "email")}
    person: list[int] = []
    taken: set[tuple[int, str, str]] = set()
    n_companies = n // 8
    for number in range(n):
        firm = int(rng.integers(n_companies))
        first, last = rng.choice(FIRST), rng.choice(LAST)
        while (firm, first, last) in taken:  # whom even a colleague could not tell apart
            first, last = rng.choice(FIRST), rng.choice(LAST)
        taken.add((firm, first, last))
        company = f"{TOWNS[firm % 16]} {TRADES[firm // 16 % 11]} {LAST[firm // 176 % 15]}"
        board = f"01{firm:08d}"
        own = f"06{int(rng.integers(10**8)):08d}"
        free = f"{first}{last}{number}@gmail.com"
        for copy in range(1 + int(rng.random() < 0.2)):
            name = f"{first} {last}"
            if copy and rng.random() < 0.3:
                name = f"{first[0]}. {last}" if rng.random() < 0.5 else f"{first} {last[:2]}{last[3:]}"
            rows["id"].append(f"{len(person):07d}")
            rows["name"].append(name)
            rows["company"].append(None if rng.random() < 0.1 else company + (" SARL" if rng.random() < 0.3 else ""))
            rows["phone"].append(board if rng.random() < 0.6 else own if rng.random() < 0.7 else None)
            rows["email"].append(free if rng.random() < 0.6 else None)
            person.append(number)
    return _table(rows), person


def _table(rows: dict[str, Any]) -> pa.Table:
    n = len(rows["id"])
    return pa.table({name: pa.array(rows.get(name, [None] * n), pa.string()) for name in SCHEMA.names}, schema=SCHEMA)
