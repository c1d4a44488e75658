"""What a mapping says, as it is written and as it is tied to the headers of one file.

A `Mapping` is read from YAML by `canonical.mapping`; `canonical.binding` ties it to the headers that a
file really has. Headers and values are compared folded: NFKC, no accents, no case, straight
apostrophes, single spaces.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cadran.canonical.columns import Type  # noqa: TC001 - dataclass fields are read at run time

if TYPE_CHECKING:
    from datetime import date

Otherwise = Literal["keep", "null", "error"]
Ref = Literal["", "id", "name", "email", "domain"]
Aliases = tuple[str, ...]

#: Orders of day, month and year that a mapping may state; the last ones are never guessed.
DATE_ORDERS = ("DMY", "MDY", "YMD", "DD/MM/YY", "MM/DD/YY", "excel", "epoch")
_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "«": '"', "»": '"', "“": '"', "”": '"', "*": None, "\ufeff": None, "\u200b": None}
)


def tidy(text: str) -> str:
    """The text with plain spaces and straight quotes, case and accents kept."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).translate(_PLAIN)).strip()


def fold(text: str) -> str:
    """The text as it is compared: `tidy`, without accents and case."""
    apart = unicodedata.normalize("NFD", tidy(text).casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def is_pattern(key: str) -> bool:
    """True when a key of a value map is a regular expression, written between slashes."""
    return len(key) > 2 and key.startswith("/") and key.endswith("/")


@dataclass(frozen=True)
class Options:
    """How a file is to be read; empty values are found out.

    Attributes:
        encoding: Encoding of the text.
        delimiter: Character between cells.
        header_row: Row of the headers, from 1; 0 to find it.
        sheet: Sheet of a workbook.
        decimal: Decimal sign, ``","`` or ``"."``.
        dates: One of `DATE_ORDERS`.
        zone: Zone of times without an offset; that of the company when empty.
        exported_at: Day on which the file was exported.
        currency: Currency of amounts without one; that of the company when empty.
        complete: True when a row that is absent from an export is deleted.
    """

    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    sheet: str = ""
    decimal: str = ""
    dates: str = ""
    zone: str = ""
    exported_at: date | None = None
    currency: str = ""
    complete: bool = False


@dataclass(frozen=True)
class Clause:
    """One test on the text of a cell.

    Attributes:
        headers: Aliases of the header.
        values: Folded values; None stands for an empty cell.
        negated: True when the cell must be none of them.
        optional: True when a file without the header passes.
    """

    headers: Aliases
    values: tuple[str | None, ...]
    negated: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Rule:
    """Where one canonical column comes from.

    Attributes:
        column: Canonical column, or ``id``.
        type: Type of the column.
        sources: Headers, each a tuple of aliases; several when they are combined.
        combine: ``one`` header; the ``first`` that is not empty; all of them, by ``join``.
        glue: Text between joined cells.
        constant: Text for every row, instead of headers; of joined cells, the last of them.
        default: Text for empty cells.
        values: Folded cell, or ``/regular expression/``, and what it becomes.
        otherwise: What becomes of a cell that `values` does not have.
        decimal: See `Options`; of this column only.
        dates: See `Options`; of this column only.
        zone: See `Options`; of this column only.
        scale: Number by which the cell is multiplied, as text; ``minor`` for amounts in the smallest unit of
            their currency.
        pattern: Regular expression whose first group is kept of a cell that has it.
        times: Header of whole numbers by which the cell is multiplied.
        ref: What the cell holds of the entity it points at.
        target: Entity that it points at.
        when: Clauses that must hold, else the cell is empty.
        when_column: Boolean column of the same entity that must be true, else the cell is empty.
        optional: True when the file may lack the header.
        where: ``file:line``.
    """

    column: str
    type: Type = "text"
    sources: tuple[Aliases, ...] = ()
    combine: Literal["one", "first", "join"] = "one"
    glue: str = ":"
    constant: str | None = None
    default: str | None = None
    values: tuple[tuple[str, str | None], ...] = ()
    otherwise: Otherwise = "keep"
    decimal: str = ""
    dates: str = ""
    zone: str = ""
    scale: str = ""
    pattern: str = ""
    times: Aliases = ()
    ref: Ref = ""
    target: str = ""
    when: tuple[Clause, ...] = ()
    when_column: str = ""
    optional: bool = False
    where: str = ""


@dataclass(frozen=True)
class EntityRule:
    """Which rows of one canonical entity a file gives.

    Attributes:
        entity: Canonical entity.
        ids: Where its id comes from; the first rule that finds its headers holds.
        columns: Rules; of several rules of one column the first that finds its header holds.
        numbered: True when rows of one id are told apart by their rank in the file.
        merge: True when several files give different columns of the same rows.
        unpivot: Regular expressions of headers, each of which is a row of its own.
        cell: Column that the cell of an unpivoted header fills.
        when: Clauses that must hold for the row to be one of this entity.
        where: ``file:line``.
    """

    entity: str
    ids: tuple[Rule, ...]
    columns: tuple[Rule, ...]
    numbered: bool = False
    merge: bool = False
    unpivot: tuple[str, ...] = ()
    cell: str = ""
    when: tuple[Clause, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Mapping:
    """How one kind of file, or one table, becomes canonical rows.

    Attributes:
        name: Unique name.
        system: System that wrote the file.
        connection: Rows of one connection share ids.
        files: Globs of file names, without regard to case.
        headers: Headers that must all be there, each a tuple of aliases.
        table: Table of a database, instead of files.
        query: A SELECT over tables of a database, instead of files; what it reads is shown as `name`.
        database: Name of the environment variable that holds the URL of the database.
        stream: Stream of a live connection, as ``kind.stream``, instead of files.
        options: How the file is read.
        row_filter: Clauses that a row must pass; other rows are counted as filtered.
        entities: What the rows become; the first entity is what the file is about.
        is_shipped: True when it comes with Cadran, so that one of the project goes before it.
        where: ``file:line``.
    """

    name: str
    system: str
    connection: str
    files: tuple[str, ...] = ()
    headers: tuple[Aliases, ...] = ()
    table: str = ""
    query: str = ""
    database: str = ""
    stream: str = ""
    options: Options = field(default_factory=Options)
    row_filter: tuple[Clause, ...] = ()
    entities: tuple[EntityRule, ...] = ()
    is_shipped: bool = False
    where: str = ""


@dataclass(frozen=True)
class BoundRule:
    """A rule with the headers of one file.

    Attributes:
        rule: The rule.
        headers: Headers of the file, in the order of the rule's sources that were found.
        when: Clauses, with one header each.
        times: Header by which the cell is multiplied, or empty.
    """

    rule: Rule
    headers: tuple[str, ...]
    when: tuple[Clause, ...] = ()
    times: str = ""

    @property
    def column(self) -> str:
        """Canonical column that it fills."""
        return self.rule.column


@dataclass(frozen=True)
class BoundEntity:
    """An entity rule with the headers of one file; one per header where headers are unpivoted.

    Attributes:
        entity: Canonical entity.
        id: Where the id comes from.
        columns: One rule per canonical column that the file fills.
        numbered: See `EntityRule`.
        merge: See `EntityRule`.
        cell: Column whose empty cells give no row, for unpivoted headers.
        when: Clauses, with one header each.
        where: ``file:line``.
    """

    entity: str
    id: BoundRule
    columns: tuple[BoundRule, ...]
    numbered: bool = False
    merge: bool = False
    cell: str = ""
    when: tuple[Clause, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Bound:
    """A mapping with the headers of one file."""

    mapping: Mapping
    row_filter: tuple[Clause, ...]
    entities: tuple[BoundEntity, ...]

    def rules(self) -> list[BoundRule]:
        """Every rule of every entity, ids included."""
        return [rule for entity in self.entities for rule in (entity.id, *entity.columns)]
