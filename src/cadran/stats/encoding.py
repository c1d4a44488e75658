"""What describes a deal, as columns of a regression: one per frequent label, one per figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Whole = NDArray[np.int64]

#: Cases below which a label has no column, and columns of one kind of label at most.
LEAST_CASES, MOST_LABELS = 8, 200


class Described(Protocol):
    """Cases and what describes them: labels (text, empty where unknown) and figures (NaN where unknown)."""

    @property
    def size(self) -> int:
        """How many cases."""
        ...

    @property
    def labels(self) -> Mapping[str, NDArray[np.str_]]:
        """By kind, shape (size,)."""
        ...

    @property
    def numbers(self) -> Mapping[str, Array]:
        """By kind, shape (size,)."""
        ...


@dataclass(frozen=True)
class Encoding:
    """Columns that describe a deal.

    Attributes:
        labels: Labels with a column, by kind.
        centres: Mean and standard deviation of each figure.
    """

    labels: Mapping[str, tuple[str, ...]]
    centres: Mapping[str, tuple[float, float]]

    @staticmethod
    def of(cases: Described) -> Encoding:
        """The columns that have enough cases."""
        labels = {name: _frequent(values) for name, values in cases.labels.items()}
        centres = {name: _centre(values) for name, values in cases.numbers.items()}
        return Encoding({name: found for name, found in labels.items() if len(found) > 1}, centres)

    @property
    def sizes(self) -> dict[str, int]:
        """Columns of each kind."""
        return {name: len(found) for name, found in self.labels.items()} | dict.fromkeys(self.centres, 1)

    def codes(self, cases: Described) -> dict[str, Whole]:
        """Column of the label of each case, by kind; -1 without one."""
        found = {}
        for name, known in self.labels.items():
            order = np.array(known)
            place = np.minimum(np.searchsorted(order, cases.labels[name]), len(known) - 1)
            found[name] = np.where(order[place] == cases.labels[name], place, -1)
        return found

    def scaled(self, cases: Described) -> dict[str, Array]:
        """Figures of each case in standard deviations from their mean; 0 where unknown."""
        return {
            name: np.nan_to_num((cases.numbers[name] - mean) / spread) for name, (mean, spread) in self.centres.items()
        }

    def columns(self, cases: Described) -> sparse.csr_matrix:
        """Shape (n, total of `sizes`), the columns of each case."""
        n = cases.size
        parts = [one_hot(codes, len(self.labels[name])) for name, codes in self.codes(cases).items()]
        parts += [sparse.csr_matrix(values[:, None]) for values in self.scaled(cases).values()]
        return sparse.hstack(parts, format="csr") if parts else sparse.csr_matrix((n, 0))

    def effects(self, cases: Described, coefficients: Array) -> dict[str, Array]:
        """What each kind adds to the logit of each case, shape (n,), by coefficients in the order of `sizes`."""
        found, start = {}, 0
        for name, codes in self.codes(cases).items():
            own = np.append(coefficients[start : start + len(self.labels[name])], 0.0)
            start += len(self.labels[name])
            found[name] = own[codes]
        for name, values in self.scaled(cases).items():
            found[name] = values * coefficients[start]
            start += 1
        return found


def one_hot(codes: Whole, size: int) -> sparse.csr_matrix:
    """Shape (n, size), a one in the column of each code; nothing for -1."""
    row = np.flatnonzero(codes >= 0)
    return sparse.csr_matrix((np.ones(row.size), (row, codes[row])), shape=(codes.size, size))


def _frequent(values: NDArray[np.str_]) -> tuple[str, ...]:
    names, counts = np.unique(values, return_counts=True)
    keep = (counts >= LEAST_CASES) & (names != "")
    names, counts = names[keep], counts[keep]
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_LABELS])
    return tuple(names[most].tolist())


def _centre(values: Array) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    return float(known.mean()), float(known.std()) or 1.0
