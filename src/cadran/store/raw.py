"""Raw records as they were read: append-only, each file version once.

A landing is a Parquet file named by its content and a manifest that points at it. The manifest is
written last, by one rename, so that a landing is either there as a whole or not at all, whatever
moment the machine stops. Nothing is ever changed or deleted: the same content exported again gets
a manifest of its own, which says that nothing had changed by then, and shares the Parquet file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from cadran.errors import Issue, StoreError
from cadran.period import as_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_FORMAT = 1


class Tallied(Protocol):
    """The account of the rows of a source, complete once its batches are taken."""

    n_read: int
    n_landed: int
    n_blank: int
    n_totals: int
    n_footers: int
    n_other: int
    set_aside: list[Issue]
    issues: list[Issue]


@dataclass(frozen=True)
class LandingInfo:
    """Where records come from.

    Attributes:
        file: File or table, as the user would name it.
        mapping: Name of the mapping.
        connection: Connection whose ids the records share.
        sha256: Digest of the file (`digest`); of its rows for a table, when left empty.
        size: Bytes of the file, 0 for a table.
        extracted_at: UTC instant at which the source exported them; aware in what `land` and `landings` give.
        read_at: UTC instant at which they were read.
        headers: Names of the columns.
        options: How the file was read, as JSON values; other options make another landing.
    """

    file: str
    mapping: str
    connection: str
    sha256: str
    size: int
    extracted_at: datetime
    read_at: datetime
    headers: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Identity of the records: the content of the file, and how it was read."""
        told = json.dumps([_FORMAT, self.sha256, self.options, self.headers], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Counts:
    """Where the rows of the source went: ``read`` is the sum of the others.

    Attributes:
        read: Rows after the header.
        landed: Rows in the Parquet file.
        set_aside: Rows too broken to be read.
        blank: Rows without a value.
        totals: Rows of totals.
        footers: Lines of a report's footer.
        other: Rows of other tables in the same file.
    """

    read: int = 0
    landed: int = 0
    set_aside: int = 0
    blank: int = 0
    totals: int = 0
    footers: int = 0
    other: int = 0

    @property
    def balance(self) -> int:
        """Rows not accounted for: always 0 in what `land` returns."""
        return self.read - (self.landed + self.set_aside + self.blank + self.totals + self.footers + self.other)


@dataclass(frozen=True)
class Landing:
    """Records that have landed.

    Attributes:
        info: Where they come from.
        path: Their Parquet file.
        counts: Where every row went.
        set_aside: Why rows were set aside.
        issues: Findings about the source that set no row aside.
    """

    info: LandingInfo
    path: Path
    counts: Counts
    set_aside: tuple[Issue, ...] = ()
    issues: tuple[Issue, ...] = ()


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(folder: Path, info: LandingInfo) -> Landing | None:
    """The landing of the same content, read the same way and exported at the same instant, if it is there."""
    path = _manifest(folder, info)
    return _load(path) if path.exists() else None


def land(folder: Path, info: LandingInfo, batches: Iterable[pa.RecordBatch], tally: Tallied) -> Landing:
    """Write records once and for all.

    Args:
        folder: Folder of one mapping: ``raw/<connection>/<mapping>``.
        info: Where the records come from.
        batches: The records; not taken when the same content is there already.
        tally: Account of the records, which taking the batches completes.

    Returns:
        The new landing, or the one that was there.

    Raises:
        StoreError: The folder cannot be written, or rows are missing from the account.
    """
    info = replace(info, extracted_at=as_utc(info.extracted_at), read_at=as_utc(info.read_at))
    if known := find(folder, info):
        return known
    try:
        folder.mkdir(parents=True, exist_ok=True)
        same = _same_content(folder, info)
        landing = _again(folder, same, info) if same else _first_time(folder, info, batches, tally)
        with _temporary(folder) as temporary:
            text = json.dumps(_record(landing), ensure_ascii=False, indent=1, default=str)
            temporary.write_text(text, encoding="utf-8")
            _settle(temporary, _manifest(folder, landing.info))
    except OSError as error:
        raise StoreError(
            "The records of {file} cannot be written: {problem}.",
            where=str(folder),
            file=info.file,
            problem=error.strerror or error,
        ) from error
    return landing


def landings(folder: Path) -> list[Landing]:
    """What has landed in a folder, oldest export first.

    A file that was read again in another way, after its mapping changed, counts once: as it was read last.

    Raises:
        StoreError: A manifest or its Parquet file is damaged or missing.
    """
    found = [_load(path) for path in folder.glob("*.json")]
    found.sort(key=lambda landing: (landing.info.extracted_at, landing.info.read_at, landing.info.key))
    last = {(landing.info.file, landing.info.sha256, landing.info.extracted_at): landing for landing in found}
    return list(last.values())


def _manifest(folder: Path, info: LandingInfo) -> Path:
    return folder / f"{as_utc(info.extracted_at):%Y%m%dT%H%M%S%f}-{info.key}.json"


def _same_content(folder: Path, info: LandingInfo) -> Landing | None:
    return next((_load(path) for path in sorted(folder.glob(f"*-{info.key}.json"))), None)


def _again(folder: Path, same: Landing, info: LandingInfo) -> Landing:
    """The same records, exported once more."""
    return replace(same, info=info, path=folder / f"{info.key}.parquet")


def _first_time(folder: Path, info: LandingInfo, batches: Iterable[pa.RecordBatch], tally: Tallied) -> Landing:
    with _temporary(folder) as temporary:
        _write(temporary, batches, info.headers)
        if not info.sha256:  # a table has no file: its identity is what was read
            info = replace(info, sha256=digest(temporary))
        counts = Counts(
            read=tally.n_read,
            landed=pq.read_metadata(temporary).num_rows,
            set_aside=sum(issue.n_rows for issue in tally.set_aside),
            blank=tally.n_blank,
            totals=tally.n_totals,
            footers=tally.n_footers,
            other=tally.n_other,
        )
        if counts.balance:
            raise StoreError(
                "Of {read} rows read, {missing} are not accounted for.",
                hint="Nothing was kept. This is a fault of Cadran: please report it with the file.",
                where=info.file,
                read=counts.read,
                missing=counts.balance,
            )
        path = folder / f"{info.key}.parquet"
        _settle(temporary, path)
    return Landing(info, path, counts, tuple(tally.set_aside), tuple(tally.issues))


def _write(path: Path, batches: Iterable[pa.RecordBatch], headers: Sequence[str]) -> None:
    """Batches as Parquet, each one compressed while the next one is read."""
    writer: pq.ParquetWriter | None = None
    with ThreadPoolExecutor(1) as pool:
        try:
            written = None
            for batch in batches:
                writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd", compression_level=1)
                if written:
                    written.result()
                written = pool.submit(writer.write_batch, batch)
            if written:
                written.result()
            if not writer:
                columns = [*((name, pa.string()) for name in headers), ("_row", pa.int64())]
                writer = pq.ParquetWriter(path, pa.schema(columns))
        finally:
            pool.shutdown()
            if writer:
                writer.close()


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A file that no reader sees; it is gone afterwards unless it was settled."""
    handle, name = tempfile.mkstemp(prefix=".landing-", suffix=".part", dir=folder)
    os.close(handle)
    path = folder / name
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _settle(temporary: Path, path: Path) -> None:
    """Give a complete file its name, in one step and for good."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _record(landing: Landing) -> dict[str, Any]:
    """A manifest, as JSON values."""
    info = asdict(landing.info) | {
        "extracted_at": landing.info.extracted_at.isoformat(),
        "read_at": landing.info.read_at.isoformat(),
    }
    return {
        "format": _FORMAT,
        "parquet": landing.path.name,
        "info": info,
        "counts": asdict(landing.counts),
        "set_aside": [asdict(issue) for issue in landing.set_aside],
        "issues": [asdict(issue) for issue in landing.issues],
    }


def _load(manifest: Path) -> Landing:
    try:
        record = json.loads(manifest.read_text(encoding="utf-8"))
        told = record["info"]
        info = LandingInfo(
            **{
                **told,
                "headers": tuple(told["headers"]),
                "extracted_at": datetime.fromisoformat(told["extracted_at"]),
                "read_at": datetime.fromisoformat(told["read_at"]),
            }
        )
        landing = Landing(
            info,
            manifest.parent / record["parquet"],
            Counts(**record["counts"]),
            tuple(Issue(**issue) for issue in record["set_aside"]),
            tuple(Issue(**issue) for issue in record["issues"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(manifest, str(error)) from error
    if not landing.path.exists():
        raise _damaged(manifest, f"{landing.path.name} is missing")
    return landing


def _damaged(manifest: Path, problem: str) -> StoreError:
    return StoreError(
        "The raw records described by {manifest} are damaged: {problem}.",
        hint="Restore the folder from a backup, or move this manifest away and run `cadran sync` with its file again.",
        where=str(manifest),
        manifest=manifest.name,
        problem=problem,
    )
