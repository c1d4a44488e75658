"""Every KPI against its own SQL on whole companies, on every engine: the sample company, and real data read as a user would.

The rows are those that a build published. The oracle is asked of DuckDB on these rows, whatever the engine.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cadran.canonical.entities import ENTITIES
from cadran.config import load_project
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cadran.jobs.build import build_project
from cadran.jobs.start import init_project
from cadran.jobs.sync import sync_project
from cadran.period import local_day
from cadran.sources.demo import write_company
from cadran.workspace import open_workspace
from engines import Backend, backend, engine, engine_name, postgres_url
from oracles.test_oracles import CATALOGUE, KPIS, _group, _row_group, _same

if TYPE_CHECKING:
    from cadran.view import View

__all__ = ["Backend", "backend", "engine", "engine_name", "postgres_url"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
DATA = Path(__file__).parents[3] / "shared" / "data"
MAPPINGS = Path(__file__).parents[1] / "data"
#: Data set, its files, and the last days of the quarters that are asked.
REAL = {
    "maven-crm": (["accounts.csv", "sales_pipeline.csv", "sales_teams.csv"], date(2018, 1, 1)),
    "olist": (["olist_closed_deals_dataset.csv", "olist_marketing_qualified_leads_dataset.csv"], date(2018, 10, 1)),
    "mrr-playbook": (["subscription_periods.csv"], date(2020, 1, 1)),
}


@dataclass(frozen=True)
class Company:
    """A published company, and the days that are asked."""

    name: str
    view: View
    start: date
    end: date

    @property
    def connection(self) -> Any:
        """The published tables, to read."""
        return self.view._warehouse._connection

    def oracle(self, sql: str, start: date, end: date) -> list[dict[str, Any]]:
        """The independent answer."""
        known = local_day(
            self.view.meta.known_at.replace(tzinfo=UTC) + timedelta(microseconds=1), self.view.project.zone
        )
        given = {"start": start, "end": end, "known": known}
        found = self.connection.cursor().execute(sql, {name: day for name, day in given.items() if f"${name}" in sql})
        return found.to_arrow_table().to_pylist()


@pytest.fixture(params=["sample", *REAL], scope="module")
def company(request, tmp_path_factory):
    """One company, built once for every engine."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    if name == "sample":
        write_company(root)
        end = date(2026, 7, 1)
    elif not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine")
    else:
        files, end = REAL[name]
        init_project(root, name=name)
        settings = root / "cadran.toml"
        settings.write_text(settings.read_text().replace("Europe/Paris", "UTC"))
        for file in files:
            shutil.copy(DATA / name / file, root / "exports" / file)
        for mapping in (MAPPINGS / name / "mappings").glob("*.yml"):
            shutil.copy(mapping, root / "mappings" / mapping.name)
    project = load_project(root)
    now = datetime(2026, 7, 2, 9)
    build_project(project, now=now, found=sync_project(project, now=now).issues)
    return Company(name, open_workspace(root).view(), end.replace(year=end.year - 1), end)


def test_every_kpi_gives_the_figures_of_its_oracle(company, engine, backend):
    warehouse = company.view._warehouse
    if backend.name != "duckdb":
        warehouse = backend.put(company.connection, company.view.meta, tuple(ENTITIES))
    names = tuple(name for name in KPIS if "quarter" in CATALOGUE.kpi(name).grains)
    asked = KpiQuery(names, grain="quarter", start=company.start, end=company.end)
    figures = answer(CATALOGUE, asked, warehouse, company.view._context()).figures
    told = 0
    for name in names:
        kpi = CATALOGUE.kpi(name)
        mine = [figure for figure in figures if figure.kpi.id == name]
        for start, end in sorted({(figure.start, figure.end) for figure in mine}):
            found = {_group(figure): figure for figure in mine if figure.start == start}
            expected = {_row_group(kpi, row): row for row in company.oracle(kpi.oracle, start, end)}
            _same(kpi, found, expected)
            told += sum(figure.value is not None for figure in found.values())
    assert told > (300 if company.name == "sample" else 20)
