"""Real names of companies, each as several people would record it: suffixes, abbreviations, typos, sites.

What makes it hard is real: subsidiaries and namesakes of the list stay other companies, and some of them
share the site of their group.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from cadran.matching.rows import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SHORT = {
    "international": "intl", "corporation": "corp", "company": "co", "technologies": "tech", "technology": "tech",
    "systems": "sys", "industries": "ind", "telecommunications": "telecom", "limited": "ltd", "holdings": "hldgs",
    "holding": "hldg", "national": "natl", "pharmaceuticals": "pharma", "communications": "comms", "bank": "bk",
    "group": "grp", "and": "&", "incorporated": "inc", "services": "svcs", "resources": "res",
}  # fmt: skip
FORMS = ("", "", " Inc.", " SA", " S.A.", " Ltd", " GmbH", " plc", " N.V.", ", Inc", " Group", " SAS", " AG")
TRAILING = re.compile(
    r"[ ,]+(inc|corp(oration)?|ltd|limited|plc|s\.?a\.?|n\.?v\.?|ag|gmbh|co(mpany)?)\.?$", re.IGNORECASE
)


def company_world(path: Path, rng: np.random.Generator) -> tuple[pa.Table, dict[str, int]]:
    """Records with the columns of `SCHEMA`, and the company that each id is of."""
    lines = [line.split(";") for line in path.read_text(encoding="latin-1").splitlines() if ";" in line]
    names = {}
    for name, country in ((line[0].strip(), line[1].strip()) for line in lines):
        names.setdefault(plain(name), (name, country))
    records: list[dict[str, str | None]] = []
    for cluster, (name, country) in enumerate(names.values()):
        stem = "".join(plain(name).split()[:2])  # shared where two of the list start alike
        site = f"{stem or 'x'}{rng.choice(['.com', '.com', '.net', '.co'])}"
        for copy in range(1 + int(rng.choice([0, 1, 1, 2, 3]))):
            written = varied(name, rng) if copy else name
            records.append(
                {
                    "name": written,
                    "country": country if rng.random() < 0.7 else None,
                    "domain": None if rng.random() < 0.5 else site if rng.random() < 0.9 else f"{stem}-group.com",
                    "cluster": str(cluster),
                }
            )
    order = rng.permutation(len(records))
    shuffled = [records[at] for at in order]
    ids = [f"{number:05d}" for number in range(len(shuffled))]
    columns = {name: pa.array([row.get(name) for row in shuffled], pa.string()) for name in SCHEMA.names}
    rows = pa.table({**columns, "id": pa.array(ids)}, schema=SCHEMA)
    return rows, {record: int(row["cluster"] or 0) for record, row in zip(ids, shuffled, strict=True)}


def plain(name: str) -> str:
    """Lower-case words without the legal form at the end."""
    bare = TRAILING.sub("", TRAILING.sub("", name.strip()))
    return re.sub("[^a-z0-9]+", " ", bare.lower()).strip()


def varied(name: str, rng: np.random.Generator) -> str:
    """The name as somebody else writes it."""
    words = TRAILING.sub("", name).split()
    if rng.random() < 0.35:
        words = [SHORT.get(word.lower().strip(".,"), word) for word in words]
    if len(words) > 2 and rng.random() < 0.2:
        words = words[:-1]
    if len(words) > 2 and rng.random() < 0.03:
        words = ["".join(word[0] for word in words)]
    if len(words) > 1 and rng.random() < 0.04:
        words = [*words[1:], words[0]]
    text = " ".join(words)
    if len(text) > 5 and rng.random() < 0.12:
        at = int(rng.integers(1, len(text) - 2))
        text = (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :] if rng.random() < 0.5 else text[:at] + text[at + 1 :]
        )
    if rng.random() < 0.3:
        text = text.upper() if rng.random() < 0.4 else text.lower()
    if rng.random() < 0.1:
        text = text.replace(" ", "") if rng.random() < 0.5 else text.replace(" ", "-")
    return text + str(rng.choice(FORMS))
