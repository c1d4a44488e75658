"""YAML → Catalogue: what a project adds and changes, and every problem with its line."""

from datetime import date
from decimal import Decimal

import pytest

from cadran.catalogue.load import load_catalogue
from cadran.errors import ConfigError, DefinitionError, fill

WIN_RATE = """
kpis:
  win_rate:
    names: {fr: Taux de gain, en: Win rate}
    kind: ratio
    unit: rate
    direction: up
    numerator: {entity: opportunity, where: is_won, time: closed_on}
    denominator: {entity: opportunity, where: is_closed, time: closed_on}
    targets: [{value: "0.25", segment: {segment: SMB}}]
    oracle: SELECT 1
"""


@pytest.fixture
def load(tmp_path):
    def loaded(own="", shipped=WIN_RATE):
        for folder, text in (("shipped", shipped), ("own", own)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "a.yml").write_text(text, encoding="utf-8")
        return load_catalogue(tmp_path / "own", shipped=tmp_path / "shipped")

    return loaded


def said(issue):
    return f"{issue} {fill(issue.hint, issue.params)}".strip()


def test_it_reads_a_kpi_and_remembers_where_each_key_is_written(load):
    catalogue, issues = load()
    kpi = catalogue.kpi("win_rate")
    assert issues == ()
    assert (kpi.numerator.where, kpi.numerator.agg, kpi.basis) == ("is_won", "count", "period")
    assert kpi.targets[0].value == Decimal("0.25")
    assert kpi.where == "cadran/catalogue/kpis/a.yml:4"
    assert kpi.numerator.places["where"] == "cadran/catalogue/kpis/a.yml:8"


def test_it_fills_in_what_a_kind_implies(load):
    own = """
kpis:
  arr:
    {names: ARR, kind: cumulative, unit: money, direction: up,
     numerator: {entity: mrr_movement, agg: sum, expr: 12 * mrr_delta_base}}
"""
    kpi = load(own)[0].kpi("arr")
    assert kpi.names == {"fr": "ARR", "en": "ARR"}
    assert (kpi.basis, kpi.numerator.balance, kpi.numerator.time) == ("balance", True, "moved_on")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kind: simpel", "catalogue/a.yml:3: simpel cannot be used here. Did you mean simple?"),
        ("unitt: rate", "catalogue/a.yml:3: There is no key unitt in a KPI. Did you mean unit?"),
        (
            "numerator: {entity: oportunity}",
            "catalogue/a.yml:3: No entity is named oportunity. Did you mean opportunity?",
        ),
        (
            "numerator: {entity: lead, wher: x}",
            "catalogue/a.yml:3: There is no key wher in a measure. Did you mean where?",
        ),
        ("min_n: many", "catalogue/a.yml:3: 'many' is not a whole number."),
        ("is_vanity: yes", "catalogue/a.yml:3: 'yes' is not true or false."),
        ("effective_from: soon", "catalogue/a.yml:3: soon is not a day. Write it as 2026-03-31."),
        ("targets: [{value: high}]", "catalogue/a.yml:3: 'high' is not a number."),
        ("names: {de: x}", "catalogue/a.yml:3: de is not a language. Use one of: en, fr."),
        ("grains: [month, fortnight]", "catalogue/a.yml:3: fortnight cannot be used here."),
        ("numerator: 3", "catalogue/a.yml:3: 3 is not a measure."),
    ],
)
def test_every_problem_has_its_line_and_what_was_meant(load, line, expected):
    _, issues = load("kpis:\n  own:\n    " + line + "\n")
    assert any(said(issue).startswith(expected) for issue in issues), [said(issue) for issue in issues]


def test_it_says_every_problem_at_once(load):
    _, issues = load("kpis:\n  own: {kind: x, unit: y, direction: up}\n")
    assert len(issues) == 3  # two words that cannot be used, and no names


def test_a_kpi_that_cannot_be_used_is_left_out_and_asking_for_it_says_why(load):
    catalogue, _ = load("kpis:\n  win_rate: {names: x, kind: ratio, unit: rate, direction: upp}\n")
    with pytest.raises(DefinitionError, match="upp cannot be used here") as caught:
        catalogue.kpi("win_rate")
    assert caught.value.where == "catalogue/a.yml:2"


def test_a_broken_override_never_leaves_the_shipped_definition_in_force(load):
    catalogue, _ = load("overrides:\n  win_rate: {numerator: {where: 3, tme: x}}\n")
    with pytest.raises(DefinitionError, match="There is no key tme in a measure"):
        catalogue.kpi("win_rate")


def test_an_override_changes_keys_and_takes_the_oracle_away_when_the_number_moves(load):
    catalogue, issues = load("overrides:\n  win_rate:\n    min_n: 50\n    numerator: {where: is_won AND NOT is_test}\n")
    kpi = catalogue.kpi("win_rate")
    assert issues == ()
    assert (kpi.min_n, kpi.numerator.where, kpi.numerator.time) == (50, "is_won AND NOT is_test", "closed_on")
    assert kpi.oracle == ""
    assert kpi.numerator.places["where"] == "catalogue/a.yml:4"
    assert load("overrides: {win_rate: {min_n: 50}}")[0].kpi("win_rate").oracle == "SELECT 1"


def test_an_override_with_a_day_adds_a_version_t_98(load):
    own = 'overrides:\n  win_rate: {version: "2.0", effective_from: 2026-07-01, numerator: {where: is_won AND is_engaged}}\n'
    catalogue, issues = load(own)
    assert issues == ()
    assert [(k.version, k.effective_from, k.effective_to) for k in catalogue.kpis["win_rate"]] == [
        ("1.0", None, date(2026, 7, 1)),
        ("2.0", date(2026, 7, 1), None),
    ]
    assert catalogue.kpi("win_rate", date(2026, 6, 30)).version == "1.0"
    assert catalogue.kpi("win_rate", date(2026, 7, 1)).version == "2.0"


def test_a_project_replaces_a_kpi_once_and_a_second_time_is_a_problem(load):
    again = WIN_RATE.replace("Win rate", "Our win rate")
    assert load(again)[0].kpi("win_rate").names["en"] == "Our win rate"
    _, issues = load(shipped=WIN_RATE, own="boards:\n  a: {labels: A, kpis: [win_rate]}\n")
    assert issues == ()


def test_the_same_name_in_two_files_of_one_folder_is_a_problem(load, tmp_path):
    load()
    (tmp_path / "own" / "b.yml").write_text(WIN_RATE, encoding="utf-8")
    (tmp_path / "own" / "c.yml").write_text(WIN_RATE, encoding="utf-8")
    _, issues = load_catalogue(tmp_path / "own", shipped=tmp_path / "shipped")
    assert [said(issue) for issue in issues] == [
        "catalogue/c.yml:3: win_rate is defined twice. It is first defined at catalogue/b.yml:4: keep one of the two."
    ]


def test_targets_of_a_project_replace_those_of_every_version(load):
    catalogue, issues = load('targets:\n  win_rate: [{value: "0.30", start: 2026-01-01}]\n')
    assert issues == ()
    assert [(t.value, t.start) for t in catalogue.kpi("win_rate").targets] == [(Decimal("0.30"), date(2026, 1, 1))]
    _, issues = load('targets:\n  win_rat: [{value: "0.30"}]\n')
    assert said(issues[0]) == "catalogue/a.yml:2: No KPI is named win_rat. Did you mean win_rate?"


def test_a_dimension_holds_on_every_table_with_a_column_of_its_name(load):
    catalogue, issues = load("dimensions:\n  segment: {labels: Segment, columns: {spend: department}}\n")
    columns = catalogue.dimensions["segment"].columns
    assert issues == ()
    assert (columns["opportunity"], columns["stage_passage"], columns["spend"]) == ("segment", "segment", "department")
    assert "activity" not in columns


def test_boards_keep_their_order_and_places(load):
    boards = load("boards:\n  sales: {labels: Ventes, kpis: [win_rate]}\n  a: {labels: A, kpis: win_rate}\n")[0].boards
    assert [(board.id, board.kpis, board.where) for board in boards] == [
        ("sales", ("win_rate",), "catalogue/a.yml:2"),
        ("a", ("win_rate",), "catalogue/a.yml:3"),
    ]


def test_an_unknown_section_is_said_with_the_nearest_one(load):
    assert said(load("kpi:\n  x: {}\n")[1][0]) == "catalogue/a.yml:1: There is no section kpi. Did you mean kpis?"


def test_a_file_that_is_not_yaml_stops(load):
    with pytest.raises(ConfigError) as caught:
        load("kpis: [")
    assert caught.value.where.startswith("catalogue/a.yml:")


def test_a_project_without_catalogue_has_the_shipped_kpis(tmp_path):
    catalogue, issues = load_catalogue(tmp_path / "none")
    assert issues == ()
    assert "win_rate" in catalogue.kpis


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kpis: 3\n", "catalogue/a.yml:1: kpis must be a mapping of names to values."),
        ("kpis:\n  own: 3\n", "catalogue/a.yml:2: own must be a mapping of names to values."),
        ("overrides:\n  nobody: {min_n: 3}\n", "catalogue/a.yml:2: No KPI is named nobody."),
        ("targets:\n  win_rate: [{value: x}]\n", "catalogue/a.yml:2: 'x' is not a number."),
        ("targets:\n  win_rate: 3\n", "catalogue/a.yml:2: 3 is not a target."),
        ("dimensions:\n  a: {columns: {}}\n", "catalogue/a.yml:2: The key labels is missing in a dimension."),
        ("boards:\n  a: {labels: A}\n", "catalogue/a.yml:2: The key kpis is missing in a board."),
        ("dimensions:\n  a: {labels: A, columns: 3}\n", "catalogue/a.yml:2: 3 is not a mapping of names to texts."),
        ("boards:\n  a: {labels: [A], kpis: []}\n", "catalogue/a.yml:2: ['A'] is not a text."),
    ],
)
def test_every_section_says_what_it_cannot_use(load, text, expected):
    _, issues = load(text)
    assert said(issues[0]).startswith(expected), [said(issue) for issue in issues]


def test_a_project_may_choose_its_north_star(load):
    assert load("north_star: win_rate\nboards:\n")[0].north_star == "win_rate"
