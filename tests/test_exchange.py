"""The catalogue in other tools' formats: their own validators take it, and their own SQL gives our figures."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from itertools import product

import duckdb
import pytest
import yaml
from azem.model.loader import SemanticModel
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from cadran.catalogue.definition import Kpi, Measure, Target, TargetLock
from cadran.catalogue.exchange import report
from cadran.catalogue.exchange.contract import contract_of
from cadran.catalogue.exchange.cube import to_cube
from cadran.catalogue.exchange.metricflow import to_metricflow
from cadran.catalogue.exchange.ossie import FILE, VERSION, to_ossie
from cadran.catalogue.exchange.rows import tables_of
from cadran.catalogue.exchange.sql import column_sql, roles_of, safe_division
from cadran.catalogue.load import load_catalogue
from cadran.cli import main
from cadran.engine.query import KpiQuery
from cadran.engine.run import answer
from cubes import compiled, require_cube
from metricflows import Flow, manifest_of, problems_of
from oracles.world import context, random_world
from shipped import CATALOGUE

FORMATS = {"ossie": to_ossie, "metricflow": to_metricflow, "cube": to_cube}
EXPORTS = {name: to(CATALOGUE) for name, to in FORMATS.items()}
#: A year on which every window of the random company is over; and one on which none is lacking rows.
START, END = date(2025, 1, 1), date(2025, 7, 1)


@pytest.fixture(scope="module")
def world():
    return random_world()


@pytest.fixture(scope="module")
def model():
    return SemanticModel.from_dict(yaml.safe_load(EXPORTS["ossie"].files[FILE]))


def kept(name):
    """KPIs that a format gives, whose figures in `START`..`END` must be ours."""
    return [CATALOGUE.kpi(each.kpi) for each in EXPORTS[name].kpis if each.status != "none"]


def grain_of(kpi):
    return "month" if "month" in kpi.grains else "quarter"


def columns_of(kpi):
    """The table of a KPI, and the columns that always break it down."""
    table = tables_of(kpi, CATALOGUE)[0]
    return table, [CATALOGUE.dimensions[name].columns[table] for name in kpi.default_by]


def one_of_each(name):
    """One KPI of every sort that a format gives: enough for engines that take long to answer."""
    found = {}
    for kpi in kept(name):
        roles = roles_of(kpi).values()
        sort = [
            (r.measure.agg, r.measure.balance, r.measure.at_end, r.measure.required, bool(r.missing)) for r in roles
        ]
        notes = any(note.undefined for note in kpi.notes)
        found.setdefault((kpi.kind, kpi.expression, bool(kpi.default_by), notes, grain_of(kpi), tuple(sort)), kpi)
    return list(found.values())


def ours(kpi, world):
    """Our figures by month and segment; without those in which nothing happened."""
    asked = KpiQuery((kpi.id,), grain=grain_of(kpi), start=START, end=END)
    return {
        (f.start, *f.segment.values()): f.value for f in answer(CATALOGUE, asked, world, context()).figures if f.value
    }


def differences(found, expected):
    """What two tables of figures do not agree on; nothing and 0 are the same where there is no case."""
    same = lambda a, b: a == b or (a and b and float(a) == pytest.approx(float(b), rel=1e-7))  # noqa: E731
    keys = {key for key, value in found.items() if value} | set(expected)
    return {key: (found.get(key), expected.get(key)) for key in keys if not same(found.get(key), expected.get(key))}


class TestReport:
    @pytest.mark.parametrize("name", FORMATS)
    def test_every_kpi_is_accounted_for_once_and_every_loss_is_explained(self, name):
        found = EXPORTS[name]
        assert [each.kpi for each in found.kpis] == list(CATALOGUE.kpis)
        assert all(bool(each.losses) == (each.status != "whole") for each in found.kpis)
        assert sum(found.counts().values()) == len(CATALOGUE.kpis)
        for loss in (loss for each in found.kpis for loss in each.losses):
            assert "{" not in loss.message.format(**loss.params)

    def test_metricflow_gives_most_kpis_and_no_survival_median(self):
        by_id = {each.kpi: each for each in EXPORTS["metricflow"].kpis}
        assert by_id["win_rate"].status == "whole"
        assert [loss.code for loss in by_id["mql_to_sql"].losses] == ["window"]
        assert by_id["lead_response_hours"].status == "none"

    def test_a_format_leaves_out_what_it_would_compute_otherwise(self):
        for name, kpi, code in [
            ("ossie", "mrr", "balance"),
            ("ossie", "nrr", "at_end"),
            ("ossie", "mql_to_sql_period", "two_days"),
            ("cube", "sales_velocity", "two_tables"),
            ("cube", "grr", "at_end"),
        ]:
            told = next(each for each in EXPORTS[name].kpis if each.kpi == kpi)
            assert told.status == "none"
            assert code in [loss.code for loss in told.losses]

    def test_a_key_of_a_contract_that_no_format_knows_is_never_lost_in_silence(self, monkeypatch):
        monkeypatch.setattr("cadran.catalogue.exchange.report._KNOWN_KPI", frozenset({"id", "kind"}))
        told = to_metricflow(CATALOGUE).kpis[0]
        assert (told.status, told.losses[0].code) == ("none", "unknown_key")

    def test_somebody_decided_what_each_key_of_a_contract_becomes(self):
        """A key that changes the number must leave KPIs out; any other one travels as it is."""
        assert {each.name for each in fields(Kpi)} - report._KNOWN_KPI == set()
        assert {each.name for each in fields(Measure)} - report._KNOWN_MEASURE == set()

    def test_earlier_versions_are_named(self):
        old = CATALOGUE.kpi("win_rate")
        both = {**CATALOGUE.kpis, "win_rate": (replace(old, version="0.9"), old)}
        told = {each.kpi: each for each in to_metricflow(replace(CATALOGUE, kpis=both)).kpis}["win_rate"]
        assert [(loss.code, loss.params["earlier"]) for loss in told.losses] == [("versions", "0.9")]


class TestSql:
    def test_conditions_keep_their_meaning_for_unknown_values(self):
        told = column_sql("a IS TRUE AND b IS NOT TRUE AND c IS FALSE AND days_between(d, e) > 3", "t")
        sides = {None: "NULL", True: "TRUE", False: "FALSE"}
        for (a, as_a), (b, as_b), (c, as_c) in product(sides.items(), repeat=3):
            flags = f"{as_a}::BOOLEAN a, {as_b}::BOOLEAN b, {as_c}::BOOLEAN c"
            row = f"(SELECT {flags}, DATE '2026-01-01' d, DATE '2026-01-09' e) t"
            expected = a is True and b is not True and c is False
            assert duckdb.sql(f"SELECT {told} FROM {row}").fetchone() == (expected,)

    def test_a_formula_divides_by_nothing_rather_than_by_zero(self):
        assert safe_division("a / b * c / (d - e)") == "a / NULLIF(b, 0) * c / NULLIF((d - e), 0)"


class TestContract:
    @pytest.mark.parametrize("name", ["ossie", "metricflow", "cube"])
    def test_every_contract_comes_back_whole_from_the_export(self, name, tmp_path):
        """Reading the entries that travelled gives the same KPIs, targets of 0 included."""
        entries = entries_of(name)
        assert set(entries) == set(CATALOGUE.kpis)
        text = yaml.safe_dump({"kpis": entries}, allow_unicode=True, sort_keys=False)
        (tmp_path / "all.yml").write_text(text, encoding="utf-8")
        again, problems = load_catalogue(None, shipped=tmp_path)
        assert [str(problem) for problem in problems] == []
        for kpi, version in again.kpis.items():
            assert replace(version[-1], where="", places={}) == replace(CATALOGUE.kpi(kpi), where="", places={})

    def test_targets_locked_for_a_campaign_change_no_export(self):
        lock = TargetLock("spring", START, END, START, (Target(Decimal("0.3")),))
        kpi = CATALOGUE.kpi("win_rate")
        locked = replace(CATALOGUE, kpis={**CATALOGUE.kpis, "win_rate": (replace(kpi, locks=(lock,)),)})
        assert {name: to(locked) for name, to in FORMATS.items()} == EXPORTS

    def test_a_level_of_zero_is_kept(self):
        kpi = replace(CATALOGUE.kpi("win_rate"), targets=(Target(Decimal(0)),))
        assert contract_of(kpi)["targets"] == [{"value": "0"}]


def entries_of(name):
    """The contracts in an export, by id."""
    found = EXPORTS[name].files
    if name == "ossie":
        document = yaml.safe_load(found[FILE])
        told = [json.loads(metric["custom_extensions"][0]["data"]) for metric in document["metrics"]]
        told += json.loads(document["custom_extensions"][0]["data"])["kpis_without_metric"]
        return {entry.pop("id"): entry for entry in told}
    if name == "cube":
        read = [yaml.safe_load(text)["cubes"][0] for text in found.values()]
        # Cube reads an escaped brace as a brace
        cubes = json.loads(json.dumps(read).replace("\\\\{", "{").replace("\\\\}", "}"))
        given = {m["name"]: m["meta"]["cadran"] for cube in cubes for m in cube["measures"]}
        return given | {
            k: v for cube in cubes for k, v in cube.get("meta", {}).get("cadran_kpis_without_measure", {}).items()
        }
    metrics = yaml.safe_load(found["models/cadran/metrics.yml"])["metrics"]
    given = {m["name"]: m["config"]["meta"]["cadran"] for m in metrics if "cadran" in m["config"]["meta"]}
    return given | yaml.safe_load(found["cadran_kpis_without_metric.yml"])["kpis"]


class TestOssie:
    def test_the_document_is_valid_against_the_schema_of_its_version(self):
        schema = json.loads((resources.files("azem") / "spec/ossie-schema.json").read_text(encoding="utf-8"))
        assert schema["properties"]["version"]["const"] == VERSION == "0.2.0.dev0"
        document = yaml.safe_load(EXPORTS["ossie"].files[FILE])
        assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []

    @pytest.mark.parametrize("kpi", kept("ossie"), ids=lambda kpi: kpi.id)
    def test_another_engine_gives_our_figures_from_the_document(self, world, model, kpi):
        metric = next(m for m in model.document.metrics if m.name == kpi.id)
        day = metric.ai_context.instructions.split("Date it by ")[1].split(".")[0]
        table, by = columns_of(kpi)
        request = {
            "metrics": [kpi.id],
            "dimensions": [f"{table}.{day}", *(f"{table}.{name}" for name in by)],
            "time_grains": {f"{table}.{day}": grain_of(kpi)},
            "filters": [
                {"field": f"{table}.{day}", "op": "between", "value": [str(START), str(END - timedelta(days=1))]}
            ],
        }
        rows = world.connection.cursor().execute(model.compile(request, "duckdb")).fetchall()
        found = {(as_day(row[0]), *row[1:-1]): row[-1] for row in rows}
        assert differences(found, ours(kpi, world)) == {}


def as_day(value):
    return value.date() if hasattr(value, "date") else value


@pytest.mark.slow
class TestMetricFlow:
    def test_its_validator_finds_no_error(self):
        found = problems_of(manifest_of(EXPORTS["metricflow"]))
        assert [issue.message for issue in found.errors] == []

    def test_its_sql_gives_our_figures(self, world):
        flow = Flow(EXPORTS["metricflow"], world)
        wrong = {}
        for kpi in one_of_each("metricflow"):
            table, columns = columns_of(kpi)
            by = tuple(f"{table}__{column}" for column in columns)
            found = flow.ask(kpi.id, START, END - timedelta(days=1), grain=grain_of(kpi), by=by)
            wrong[kpi.id] = differences(found, ours(kpi, world))
        assert {name: told for name, told in wrong.items() if told} == {}

    def test_a_year_of_balances_and_photographs_is_that_of_its_last_day(self, world):
        flow = Flow(EXPORTS["metricflow"], world)
        for name in ("mrr", "nrr", "open_pipeline"):
            asked = KpiQuery((name,), grain="year", start=date(2024, 1, 1), end=date(2026, 1, 1))
            figures = {(f.start,): f.value for f in answer(CATALOGUE, asked, world, context()).figures if f.value}
            assert differences(flow.ask(name, date(2024, 1, 1), date(2025, 12, 31), grain="year"), figures) == {}


@pytest.mark.slow
class TestCube:
    def test_its_compiler_takes_the_model_and_its_sql_gives_our_figures(self, world, tmp_path):
        require_cube()
        for path, text in EXPORTS["cube"].files.items():
            (tmp_path / path.rsplit("/", 1)[1]).write_text(text, encoding="utf-8")
        statements = compiled(tmp_path, START, END - timedelta(days=1))
        assert set(statements) == {kpi.id for kpi in kept("cube")}
        connection = world.connection.cursor()
        connection.execute("SET TimeZone = 'UTC'")
        wrong = {}
        for kpi in (kpi for kpi in kept("cube") if not kpi.default_by and grain_of(kpi) == "month"):
            given = statements[kpi.id]
            rows = connection.execute(given["sql"], given["values"]).fetchall()
            wrong[kpi.id] = differences({(as_day(month),): value for month, value in rows}, ours(kpi, world))
        assert {name: told for name, told in wrong.items() if told} == {}


class TestCommand:
    def test_it_writes_the_files_and_prints_the_losses(self, tmp_path):
        asked = ["export", "--to", "ossie", "--out", str(tmp_path / "out"), "--project", str(tmp_path), "--lang", "fr"]
        found = CliRunner().invoke(main, asked)
        assert found.exit_code == 0, found.output
        assert yaml.safe_load((tmp_path / "out" / FILE).read_text(encoding="utf-8"))["version"] == VERSION
        assert "Ce qui se perd" in found.stdout
        assert "laissés de côté" in found.stderr

    def test_its_json_tells_each_kpi(self, tmp_path):
        asked = [
            "export",
            "--to",
            "cube",
            "--out",
            str(tmp_path),
            "--project",
            str(tmp_path),
            "--format",
            "json",
            "--lang",
            "en",
        ]
        found = json.loads(CliRunner().invoke(main, asked).stdout)
        assert {row["status"] for row in found} == {"loss", "none"}

    def test_a_folder_that_cannot_be_written_is_an_error_of_settings(self, tmp_path):
        (tmp_path / "file").write_text("", encoding="utf-8")
        asked = ["export", "--to", "cube", "--out", str(tmp_path / "file" / "x"), "--project", str(tmp_path)]
        assert CliRunner().invoke(main, asked).exit_code == 2
