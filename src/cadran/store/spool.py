"""Pages of a read that is not over: kept one by one, so that a read that was cut goes on where it was.

A spool is a file of lines: what the read is about, then one line per page, then a line that says
that it is whole. A line is on the disk before the next page is asked for; a line that was cut by the
end of the machine is dropped, and its page asked for again.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from cadran.errors import StoreError
from cadran.store.lock import alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

_DONE = "done"


class Spool:
    """The pages of one read.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.about: dict[str, Any] = {}
        self.resume: Any = None
        self.pages = 0
        self.rows = 0
        self.is_whole = False
        self._recover()

    def begin(self, about: Mapping[str, Any], resume: Any = None) -> None:
        """Start a read; what was kept of another one is dropped.

        Args:
            about: What the read is about, as JSON values.
            resume: Where it goes on, when a part of it is kept elsewhere.
        """
        line = json.dumps({"about": dict(about), "resume": resume}, ensure_ascii=False)
        write_whole(self._path, line + "\n")
        self.about, self.resume, self.pages, self.rows, self.is_whole = dict(about), resume, 0, 0, False

    def add(self, records: str, rows: int, resume: Any) -> None:
        """Keep a page.

        Args:
            records: Its records as one JSON array, on one line.
            rows: How many they are.
            resume: Where reading goes on after it, as a JSON value.
        """
        told = json.dumps({"rows": rows, "resume": resume}, ensure_ascii=False)
        self._append(f"{told}\t{records}\n")
        self.resume, self.pages, self.rows = resume, self.pages + 1, self.rows + rows

    def end(self) -> None:
        """Say that the read is whole."""
        self._append(json.dumps({_DONE: True}) + "\n")
        self.is_whole = True

    def records(self) -> Iterator[str]:
        """The records of every page, as JSON arrays, in the order in which they were kept."""
        with self._path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                _, tab, records = line.partition("\t")
                if tab:
                    yield records

    def drop(self) -> None:
        """Forget the read."""
        self._path.unlink(missing_ok=True)
        self.about, self.resume, self.pages, self.rows, self.is_whole = {}, None, 0, 0, False

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _recover(self) -> None:
        """Take up what is on the disk; what comes after the last whole line is cut off."""
        if not self._path.exists():
            return
        good = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._take(line.partition(b"\t")[0])
                good += len(line)
        if good < self._path.stat().st_size:
            os.truncate(self._path, good)

    def _take(self, told: bytes) -> None:
        try:
            line = json.loads(told)
        except ValueError as error:
            raise StoreError(
                "The pages kept in {file} are damaged.",
                hint="Delete the file: the stream is read again from its last whole read.",
                where=str(self._path),
                file=self._path.name,
            ) from error
        if "about" in line:
            self.about = line["about"]
        self.resume = line.get("resume", self.resume)
        self.pages += "rows" in line
        self.rows += line.get("rows", 0)
        self.is_whole = self.is_whole or _DONE in line


def reading_alone(path: Path) -> AbstractContextManager[None]:
    """Hold the lock file of one connection.

    Raises:
        StoreError: Another process is reading it.
    """
    busy = StoreError(
        "Another process is reading {connection}.",
        hint="Wait until it has ended.",
        where=str(path),
        connection=path.parent.name,
    )
    return alone(path, busy)


def write_whole(path: Path, text: str) -> None:
    """Write a small file in one step: it is there as a whole, or as it was.

    Raises:
        StoreError: The folder cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a small file; empty when there is none.

    Raises:
        StoreError: The file is damaged.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError("{file} is damaged: {problem}.", where=str(path), file=path.name, problem=error) from error
    return found if isinstance(found, dict) else {}


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        "The pages that were read cannot be written: {problem}.", where=str(path), problem=error.strerror or error
    )
