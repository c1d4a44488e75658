"""Unit economics of few customers, from tables to faces."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api import create_api
from cadran.cli import main
from cadran.engine.customers import CustomerQuery, customers
from cadran.engine.result import Figure, KpiResult
from cadran.errors import QueryError
from cadran.insights.economics import economics
from cadran.period import Calendar
from cockpit import fake_workspace, get
from warehouse import MemoryWarehouse, catalogue, context

KNOWN = dt.datetime(2026, 6, 30, 21, 59)


def month_end(number):
    following = dt.date(2026 + number // 12, number % 12 + 1, 1)
    return following - dt.timedelta(days=1)


def paying(name, start, end, margin="80", last=6, **more):
    """Months of a customer that pays from one month until before another; months are those of 2026."""
    rows = []
    for month in range(start, min(end + 1, last + 1)):
        pays = month < end
        money = (
            {"mrr_end_base": "100", "margin_end_base": margin}
            if pays
            else {"mrr_end_base": "0", "margin_end_base": "0"}
        )
        rows.append(
            {"customer_id": name, "month_on": month_end(month), "is_customer": pays, "is_final": True, **money, **more}
        )
    return rows


def costs(value, denominator):
    def ask(query):
        kpi = catalogue().kpis.get(query.kpis[0])
        found = [kpi[-1]] if kpi else []
        starts = [query.start] if query.grain is None else [dt.date(2026, 1, 1), dt.date(2026, 4, 1)]
        figures = [
            Figure(each, day, query.end, {}, value, None, denominator, denominator, "ok")
            for each in found
            for day in starts
        ]
        return KpiResult(figures, "EUR", KNOWN)

    return ask


def no_costs(query):
    raise QueryError("Costs know no {name}.", name="segment")


def found(rows, ask=no_costs, query=None):
    warehouse = MemoryWarehouse(known_at=KNOWN, customer_month=rows)
    asked = query or CustomerQuery()
    return economics(customers(catalogue(), asked, warehouse, context()), ask, Calendar(), asked.where)


def test_a_stay_ends_at_the_first_month_without_payment_whatever_comes_later():
    back = [*paying("a", 1, 3), {**paying("a", 5, 9)[0]}]
    stays = customers(
        catalogue(),
        CustomerQuery(),
        MemoryWarehouse(known_at=KNOWN, customer_month=[*back, *paying("b", 2, 9)]),
        context(),
    ).stays.to_pylist()
    assert [(row["first_on"].month, row["left_after"], row["seen"], row["n"]) for row in stays] == [
        (1, 2, 5, 1),
        (2, None, 4, 1),
    ]


def test_few_customers_have_bounds_and_no_point():
    answer = found([row for number in range(5) for row in paying(f"c{number}", 1, 9)])
    assert (answer.n, answer.n_left) == (5, 0)
    assert answer.lifetime.value is None
    assert 0 < answer.lifetime.low < answer.lifetime.high <= 60
    assert answer.ltv.value is None
    assert answer.ltv.low > 0
    assert answer.params == {"n": 5, "needed": 30}


def test_value_is_lifetime_times_margin_and_bounds_hold_it():
    rows = [row for number in range(40) for row in paying(f"c{number}", 1, 3 if number < 8 else 9)]
    answer = found(rows)
    assert answer.n_left == 8
    assert answer.margin.value == pytest.approx(80)
    assert answer.ltv.value == pytest.approx(80 * answer.lifetime.value)
    assert answer.ltv.low < answer.ltv.value < answer.ltv.high
    assert answer.stays[0].months == 3
    assert answer.stays[0].at_risk == 40
    assert answer.ltv_to_cac.value is None, "costs could not be asked"


def test_a_cohort_pays_back_when_what_each_brought_reaches_its_cost():
    rows = [row for number in range(4) for row in paying(f"c{number}", 1, 3 if number == 0 else 9)]
    [cohort] = found(rows).cohorts
    # four customers bring 80 each in the first two months, then three do
    assert cohort.brought[:3] == pytest.approx((80, 160, 220))
    assert (cohort.n, cohort.paid_back_after, cohort.cac) == (4, None, None)


def test_unknown_margins_are_not_taken_for_none():
    rows = paying("a", 1, 9, margin=None)
    answer = found(rows)
    assert not answer.is_margin
    assert answer.margin.value == pytest.approx(100)
    assert answer.cohorts[0].brought == ()


def test_a_company_without_customers_is_told_so():
    answer = found([])
    assert answer.n == 0
    assert answer.reason == "No customer was ever seen paying."
    assert answer.cohorts == ()


def test_predicates_choose_customers():
    rows = [*paying("a", 1, 9, segment="SMB"), *paying("b", 1, 9, segment="Enterprise")]
    answer = found(rows, query=CustomerQuery(("segment = 'SMB'",)))
    assert answer.n == 1


@pytest.fixture
def workspace(monkeypatch):
    rows = [row for number in range(40) for row in paying(f"c{number}", 1 + number % 4, 9 if number % 5 else 5)]
    answer = found(rows)
    fake = fake_workspace()

    class View:
        project = fake.project

        def economics(self, query):
            self.asked = query
            return answer

    opened = type(
        "Opened", (), {"project": fake.project, "catalogue": fake.catalogue, "view": lambda self, *_: View()}
    )()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: opened)
    return opened


@pytest.mark.parametrize(("language", "word"), [("fr", "Valeur vie client"), ("en", "Lifetime value")])
def test_the_terminal_tells_figures_and_cohorts_in_both_languages(workspace, language, word):
    told = CliRunner().invoke(main, ["economics", "--lang", language])
    assert told.exit_code == 0, told.output
    assert word in told.stdout
    assert "T1 2026" in told.stdout or "Q1 2026" in told.stdout


def test_programs_get_everything(workspace):
    told = CliRunner().invoke(main, ["economics", "--format", "json"])
    [record] = json.loads(told.stdout)
    answer = get(create_api(workspace), "/economics").json()
    assert record["n"] == answer["n"] == 40
    assert answer["cohorts"][0]["brought"] == pytest.approx(record["cohorts"][0]["brought"])
    assert (
        CliRunner()
        .invoke(main, ["economics", "--format", "csv"])
        .stdout.startswith("start,end,n,cac,paid_back_after,brought\n")
    )
