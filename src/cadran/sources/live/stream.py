"""What a system gives: streams of records, read a page at a time from where reading was left.

A vendor's module knows its vendor alone. It says which streams there are and how each one is read;
who reads it keeps pages, positions and counts, so that a read that was cut goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

#: One record: the vendor's own names, values as `sources.written.loads` reads them, nested ones whole.
Record: TypeAlias = Mapping[str, Any]
#: Column that says when a record was found to be gone, for systems that do not say so themselves.
GONE = "_gone_at"


@dataclass(frozen=True)
class Window:
    """What one read of a stream covers.

    Attributes:
        since: Aware UTC instant from which changes are wanted, the lookback taken off; None for everything.
        until: Aware UTC instant at which the read began; later changes are those of the next one.
        resume: What the last page that was kept said of its place; None at the start.
    """

    since: datetime | None
    until: datetime
    resume: Any = None


@dataclass(frozen=True)
class Page:
    """Some records, and where reading goes on after them.

    Attributes:
        records: The records.
        resume: JSON value that `Stream.read` understands as its place after this page.
        total: Records that the vendor says the read has in all, 0 when it does not say.
    """

    records: Sequence[Record]
    resume: Any = None
    total: int = 0


@dataclass(frozen=True)
class Stream:
    """One kind of record of a system.

    Attributes:
        name: Name, unique in the system; mappings say ``stream: <kind>.<name>``.
        read: Gives the pages of a window, in an order that `Page.resume` can be taken up in.
        key: Fields that tell records apart.
        cursor: Field that grows with every change of a record: of two readings of one record the
            greater one counts, and of equal ones the later one. Empty when readings do not differ.
        since: True when the vendor can be asked for changes only; otherwise every read is whole.
        lookback: How far before its last read a stream is read again, for what the vendor lists late.
        deletes: How gone records are seen: by a ``flag`` of theirs, by a ``scan`` of what is still
            there, or ``none``.
        history: Where changes of a record come from: ``native``, a ``changelog``, or ``snapshots``.
        whole_by: Field of the key, such as a day, whose values are each read whole: of a value that is read again,
            records that come no more are gone. Only with ``scan``.
        needed: True when nothing of the system is kept while this stream cannot be read.
        grants: Rights that the vendor asks for.
        depends: Text that changes when every record must be read again, such as a digest of the
            names that are written into them.
    """

    name: str
    read: Callable[[Window], Iterator[Page]]
    key: tuple[str, ...] = ("id",)
    cursor: str = ""
    since: bool = False
    lookback: timedelta = timedelta()
    deletes: Literal["flag", "scan", "none"] = "none"
    history: Literal["native", "changelog", "snapshots"] = "snapshots"
    whole_by: str = ""
    needed: bool = False
    grants: tuple[str, ...] = ()
    depends: Callable[[], str] = str


class Paused(Exception):  # noqa: N818 - nothing failed: there is more to read, later
    """A stream stops here for now: what was read is good, and the rest is read another time.

    Args:
        reason: Why, as an English template with named fields.
        params: Values of its fields.
    """

    def __init__(self, reason: str, **params: object) -> None:
        self.reason = reason
        self.params = params
        super().__init__(reason)


@dataclass
class Meter:
    """What reading cost so far.

    Attributes:
        requests: Requests sent, those sent again included.
        retried: Requests sent again.
        throttled: Answers that said: too many requests.
        tokens: Units of the vendor's budget, where it has one.
        waited: Seconds waited because the vendor asked for it, or after a failure.
    """

    requests: int = 0
    retried: int = 0
    throttled: int = 0
    tokens: int = 0
    waited: float = 0.0

    def copy(self) -> Meter:
        """The counts at this moment."""
        return replace(self)

    def since(self, before: Meter) -> dict[str, float]:
        """What was added since, by name; seconds to the tenth."""
        told = {name: getattr(self, name) - getattr(before, name) for name in vars(self)}
        return {**told, "waited": round(told["waited"], 1)}


@dataclass(frozen=True)
class Account:
    """A system that answers.

    Attributes:
        streams: Its streams, in the order in which they are read.
        meter: What reading cost, counted on.
        close: Gives its connections back.
    """

    streams: tuple[Stream, ...]
    meter: Meter = field(default_factory=Meter)
    close: Callable[[], None] = lambda: None
