"""Raw landings → typed rows → derived tables → one published snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cadran.canonical import links
from cadran.canonical.assemble import assembled
from cadran.canonical.calendars import HoursFrom, known_zones, working_minutes
from cadran.canonical.entities import ENTITIES
from cadran.canonical.evidence import decide, evidence
from cadran.canonical.landing import Export, converted, issue, tables_of
from cadran.canonical.mapping import bind, match, named
from cadran.canonical.schema import empty
from cadran.canonical.settings import settings_of
from cadran.canonical.texts import ROW
from cadran.catalogue.load import load_catalogue
from cadran.deferred import ibis
from cadran.engine import fragments, photos, rollup_tables
from cadran.engine.derivations import derivations
from cadran.engine.prepare import prepare
from cadran.engine.tables import readable
from cadran.errors import CadranError, Issue, StoreError
from cadran.jobs import costs, rates
from cadran.jobs.channels import channels_of
from cadran.jobs.match import link_table
from cadran.jobs.progress import silent
from cadran.jobs.standards import Standardiser
from cadran.jobs.sync import as_issue, mappings_of
from cadran.store import raw
from cadran.store.dialect import DUCKDB
from cadran.store.shelf import FileShelf, shelf_of
from cadran.store.snapshot import building
from cadran.store.warehouse import FRAGMENTS, PHOTOS, ROLLUPS, SHAPES, SnapshotMeta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import ibis.expr.types as ir

    from cadran.canonical.mapping import Mapping as FileMapping
    from cadran.canonical.rules import Bound
    from cadran.catalogue.definition import Catalogue
    from cadran.config import Project
    from cadran.jobs.progress import Progress
    from cadran.store.raw import Landing
    from cadran.store.snapshot import SnapshotWriter

#: Rows set aside that are told one by one, per file; more are counted.
TOLD_ROWS = 20
MAPPING, COMPUTING = "Mapping rows", "Computing tables"


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        meta: What the snapshot says of itself.
        files: Per landed file, how many rows were read, loaded, set aside, filtered and skipped.
        issues: Findings.
    """

    meta: SnapshotMeta
    files: list[dict[str, Any]]
    issues: tuple[Issue, ...]


def build_project(
    project: Project, *, now: datetime, progress: Progress = silent, found: Iterable[Issue] = ()
) -> BuildReport:
    """Build every table from what has landed and publish it.

    Args:
        project: Settings of the company.
        now: UTC instant of the build.
        progress: Told how far the work is.
        found: Findings of the sync before it, kept with the snapshot.

    Raises:
        StoreError: Nothing has landed, or another build is running.
        MappingError: A mapping file of the project cannot be used, or every file asks a question.
    """
    landings, shelf = landings_of(project), shelf_of(project)
    with building(project.state, built_at=now) as writer:
        work = _Build(project, writer, mappings_of(project), list(found))
        for number, landing in enumerate(landings):
            progress(MAPPING, number, len(landings))
            work.land(landing)
        if work.stopped and not work.parts:
            raise work.stopped[0]
        if not work.parts:
            raise StoreError(
                "No file could be read: there is nothing to build.",
                hint="Put exports in {folder} and try again.",
                where=str(project.exports),
                folder=str(project.exports),
            )
        # a file that was left out with its question tells nothing of its day
        known_at = max(work.exported)
        work.tables(known_at, progress)
        if isinstance(shelf, FileShelf):
            ready(writer, load_catalogue(project.catalogue)[0])
        meta = SnapshotMeta(writer.name, known_at, now, project.currency, project.zone.key, work.counts)
        issues = tuple(work.issues)
        kept = project.keep_snapshots
        shelf.publish(writer, meta, issues=issues, files=work.files, keep=kept, tables=readable())
    return BuildReport(meta, work.files, issues)


def ready(writer: SnapshotWriter, catalogue: Catalogue) -> None:
    """Lay out the tables of a snapshot for the questions of a catalogue, and keep beside them what those need."""
    writer.describe(SHAPES, prepare(writer.run, catalogue))
    writer.describe(ROLLUPS, rollup_tables.write(writer.run, catalogue))
    writer.describe(PHOTOS, photos.write(writer.run, catalogue))
    writer.describe(FRAGMENTS, fragments.FRAGMENTS.kept(catalogue))


def landings_of(project: Project) -> list[Landing]:
    """Everything that has landed and is not left out by the settings, oldest export first.

    A file that another mapping reads since counts once, as it was read last.
    """
    folder = project.state / "raw"
    every = [found for part in sorted(folder.glob("*/*")) if part.is_dir() for found in raw.landings(part)]
    every.sort(key=lambda landing: landing.info.read_at)
    last = {(found.info.file, found.info.sha256, found.info.extracted_at): found for found in every}
    kept = [landing for landing in last.values() if not project.leaves_out(landing.info.file)]
    return sorted(kept, key=lambda landing: (landing.info.extracted_at, landing.info.file))


def naive_utc(instant: datetime) -> datetime:
    """The instant in UTC without a zone, as canonical tables hold it."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def _shared(row: Mapping[str, Any]) -> Issue:
    """The finding that a name points at several rows."""
    return Issue(
        "shared_name",
        "warning",
        "{n} rows of {entity} are named {name}: what refers to that name is given to the newest of them.",
        entity=row["entity"],
        hint="Refer to them by id in the mapping.",
        params=dict(row),
        n_rows=row["n"],
    )


class _Build:
    """The work of one build, with what it has done so far."""

    def __init__(
        self, project: Project, writer: SnapshotWriter, mappings: tuple[FileMapping, ...], issues: list[Issue]
    ) -> None:
        self.project = project
        self.writer = writer
        self.mappings = mappings
        self.issues = issues
        self.files: list[dict[str, Any]] = []
        self.parts: list[tuple[Bound, dict[str, ir.Table]]] = []
        self.stopped: list[CadranError] = []
        self.exported: list[datetime] = []
        self.made: list[str] = []
        self.counts: dict[str, int] = {}

    def land(self, landing: Landing) -> None:
        """Type the rows of one landing; a file that asks a question is left out, with its question."""
        self.issues += [*landing.issues, *landing.set_aside]
        try:
            record = self._typed(landing)
            self.exported.append(naive_utc(landing.info.extracted_at))
        except CadranError as error:
            self.stopped.append(error)
            self.issues.append(as_issue(error, landing.info.file))
            # a file that asks a question is wholly set aside until its owner answers
            record = {"loaded": 0, "set_aside": landing.counts.set_aside + landing.counts.landed, "filtered": 0}
        counts = landing.counts
        self.files.append(
            {
                "file": landing.info.file,
                "mapping": landing.info.mapping,
                "exported_at": landing.info.extracted_at.isoformat(timespec="seconds"),
                "read": counts.read,
                "skipped": counts.blank + counts.totals + counts.footers + counts.other,
                **record,
            }
        )

    def tables(self, known_at: datetime, progress: Progress) -> None:
        """Write the landed tables, with references resolved, and every table derived from them."""
        self._minutes(self._landed(), known_at)
        pieces = derivations(settings_of(self.project, known_at), DUCKDB)
        for number, piece in enumerate(pieces.values()):
            progress(COMPUTING, number, len(pieces))
            self.writer.fill(piece.name, piece.types, piece.sql)
        self.issues += costs.findings(self.writer.rows(costs.summary(self.writer.table("cost"))).to_pylist()[0])
        self.counts = {name: self.writer.count(name) for name in ENTITIES}
        for name in pieces.keys() - ENTITIES.keys():
            self.writer.drop(name)

    def _typed(self, landing: Landing) -> dict[str, int]:
        """Type the rows of one landing and keep the good ones; the counts of its record."""
        mapping = self._mapping(landing)
        table = self.writer.raw(landing.path)
        bound = bind(mapping, [name for name in table.columns if name != ROW])
        proof = self.writer.rows(evidence(table, bound)).to_pylist()[0]
        decisions = decide(bound, proof, self.project.currency, str(landing.info.options.get("decimal") or ""))
        known_at = naive_utc(landing.info.extracted_at)
        export = Export(known_at, self.project.zone.key, self.project.currency, channels_of(self.project))
        wide = self.writer.create("_wide", converted(table, bound, decisions, export))
        found = tables_of(wide, table, bound, decisions, export)
        aside = self._set_aside(landing, found.aside)
        filtered = self.writer.number(found.filtered)
        self.parts.append((bound, {name: self._part(rows.drop(ROW)) for name, rows in found.tables.items()}))
        self.writer.drop("_wide")
        loaded = landing.counts.landed - aside - filtered
        return {"loaded": loaded, "set_aside": landing.counts.set_aside + aside, "filtered": filtered}

    def _part(self, rows: ir.Table) -> ir.Table:
        part = self.writer.create(f"_part_{len(self.made)}", rows)
        self.made.append(part.get_name())
        return part

    def _set_aside(self, landing: Landing, aside: ir.Table) -> int:
        """Tell the first rows that could not be typed and count the others; how many there are."""
        total = self.writer.number(aside)
        first = self.writer.rows(aside.order_by(ROW).limit(TOLD_ROWS)).to_pylist() if total else []
        file = landing.info.file
        self.issues += [issue(file, row[ROW], row["code"], row["entity"], row["column"], row["value"]) for row in first]
        if total > len(first):
            more = {"n": total - len(first)}
            text = "{n} more rows of this file are set aside."
            self.issues.append(Issue("more_set_aside", "error", text, where=file, params=more, n_rows=more["n"]))
        return total

    def _mapping(self, landing: Landing) -> FileMapping:
        """The mapping of a landing by its name, or, where it was renamed since, by its headers."""
        known = [mapping for mapping in self.mappings if mapping.name == landing.info.mapping]
        if known:
            # a kind of system may be connected twice: ids begin with the name of the connection
            return replace(known[0], connection=landing.info.connection) if known[0].stream else known[0]
        found = match(landing.info.file, landing.info.headers, self.mappings)
        return found if found is not None else named(landing.info.mapping, self.mappings)

    def _landed(self) -> dict[str, ir.Table]:
        names = [name for name, entity in ENTITIES.items() if not entity.derived]
        every = {name: empty(name) for name in names} | assembled(self.parts)
        decided = link_table(self.project, self.exported)
        every["identity_link"] = self.writer.memory("_decided", decided)
        self.made.append("_decided")
        every["fx_rate"] = self._rates(every)
        references = links.links_of(bound for bound, _ in self.parts)
        resolved = links.resolved(every, references)
        shared = links.shared_names(every, references)
        if shared is not None:
            self.issues += [_shared(row) for row in self.writer.rows(shared.order_by("entity", "name")).to_pylist()]
        standard = Standardiser(self.project, self.writer.memory)
        self.made += standard.made
        tables = {name: self.writer.create(f"landed_{name}", standard.table(name, resolved[name])) for name in names}
        for part in self.made:
            self.writer.drop(part)
        return tables

    def _rates(self, every: Mapping[str, ir.Table]) -> ir.Table:
        """The rates that landed, and reference rates where no other serves."""
        landed = rates.rates_of(every, self.project)
        made, issues = rates.reference_rates(
            {**every, "fx_rate": landed}, self.project, max(self.exported), self.writer.rows
        )
        self.issues += issues
        if made is None:
            return landed
        self.made.append(rates.TABLE)
        return landed.union(self.writer.memory(rates.TABLE, made))

    def _minutes(self, every: Mapping[str, ir.Table], known_at: datetime) -> None:
        """Write the working minutes of every zone that people work in, from the first lead to the last known day."""
        zoned = [every[name].select("zone") for name in ("lead", "account", "owner")]
        zones = self.writer.rows(ibis.union(*zoned).distinct()).column("zone").to_pylist()
        firsts = self.writer.rows(every["lead"].aggregate(first=every["lead"].created_at.min()))
        first = firsts.column("first").to_pylist()[0] or known_at
        hours = [HoursFrom(date.min, self.project.hours)]
        end = known_at.date() + timedelta(days=2)
        rows = working_minutes(
            [self.project.zone.key, *known_zones(zones)], hours, first.date() - timedelta(days=1), end
        )
        self.writer.memory("working_minutes", rows)
