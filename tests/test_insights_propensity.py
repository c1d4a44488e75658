"""Propensity of accounts and leads: learnt from those that are decided, checked on the newest, refused below a minimum."""

import datetime as dt
import json

import numpy as np
import pytest
from click.testing import CliRunner

from cadran import workspace as rooms
from cadran.api.propensity import PropensityOut
from cadran.cli import main
from cadran.engine.prospects import LEAD_DAYS, ProspectQuery, prospects
from cadran.errors import QueryError
from cadran.insights.propensity import FIELDS, propensity_of, propensity_record, propensity_records
from cadran.stats.propensity import LEAST, Prospects, fit_propensity
from cockpit import fake_workspace
from warehouse import KNOWN_AT, MemoryWarehouse, catalogue, context

SEED = 5


def cases(n, effect, seed=SEED):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["bank", "shop", "farm"], n)
    odds = {"bank": effect, "shop": 0.0, "farm": -effect}
    chance = 1 / (1 + np.exp(1 - np.array([odds[each] for each in kind])))
    return kind, (rng.random(n) < chance).astype(float)


def learnt(n, effect):
    kind, won = cases(n, effect)
    return fit_propensity(Prospects({"industry": kind}, {}, n), won, np.arange(float(n)))


def test_it_finds_the_kind_that_converts_and_says_how_sure_it_is():
    found = learnt(900, 1.2)
    assert found.basis == "model"
    assert found.brier < found.brier_share
    assert found.auc > 0.6
    by_label = {trait.label: trait for trait in found.traits}
    assert by_label["bank"].odds > 1 > by_label["farm"].odds
    assert all(trait.low < trait.odds < trait.high for trait in found.traits)
    assert by_label["bank"].low > 1
    chance = found.chance(Prospects({"industry": np.array(["bank", "shop", "farm", "new"])}, {}, 4))
    assert chance[0] > chance[1] > chance[2]
    assert chance[2] < chance[3] < chance[0]


def test_it_says_that_nothing_can_be_learnt_where_nothing_tells():
    found = learnt(900, 0.0)
    assert (found.basis, found.traits) == ("nothing", ())
    some = Prospects({"industry": np.array(["bank", "farm"])}, {}, 2)
    assert found.chance(some).tolist() == [found.overall] * 2
    assert found.effects(some) == {}


@pytest.mark.parametrize(("n", "effect"), [(LEAST - 1, 1.2), (0, 1.0)])
def test_it_refuses_below_a_minimum(n, effect):
    found = learnt(n, effect)
    assert (found.basis, found.fit) == ("too_few", None)
    assert 0 < found.overall < 1


def test_cases_that_come_later_do_not_change_what_was_checked():
    kind, won = cases(600, 1.2)
    order = np.random.default_rng(SEED).permutation(600)
    one = fit_propensity(Prospects({"industry": kind}, {}, 600), won, np.arange(600.0))
    two = fit_propensity(Prospects({"industry": kind[order]}, {}, 600), won[order], order.astype(float))
    assert one.brier == pytest.approx(two.brier)
    assert [trait.odds for trait in one.traits] == pytest.approx([trait.odds for trait in two.traits])


def day(back):
    return (KNOWN_AT - dt.timedelta(days=back)).isoformat()


def world(n=300):
    kind, won = cases(n, 1.4)
    accounts = [{"id": f"a{at:04d}", "name": f"A{at}", "industry": kind[at], "owner_id": "o"} for at in range(n)]
    deals = [
        {
            "id": f"d{at:04d}", "account_id": f"a{at:04d}", "created_at": day(n - at + 30), "is_closed": True,
            "is_won": bool(won[at]), "segment": "SMB",
        }
        for at in range(n)
    ]  # fmt: skip
    fresh = [{"id": "new", "name": "New", "industry": "bank"}, {"id": "open", "industry": "farm"}]
    deals.append({"id": "x", "account_id": "open", "created_at": day(3), "is_closed": False, "segment": "SMB"})
    owners = [{"id": "o", "name": "Ada"}]
    return {"account": accounts + fresh, "opportunity": deals, "owner": owners}


def read(query, scope=(), **tables):
    found = catalogue(dimensions=("segment", "industry"))
    return prospects(found, query, MemoryWarehouse(**tables), context(scope=scope))


@pytest.fixture(scope="module")
def answer():
    return propensity_of(read(ProspectQuery("accounts"), **world()))


def test_accounts_are_decided_by_their_deals_and_those_without_a_won_one_are_ranked(answer):
    assert answer.found.n == 300
    names = [each.id for each in answer.prospects]
    assert {"new", "open"} <= set(names)
    assert names.index("new") < names.index("open")
    assert answer.found.converted + len(names) == 302
    new = next(each for each in answer.prospects if each.id == "new")
    assert new.reasons[0][:2] == ("industry", "bank")
    assert new.reasons[0][2] > 1
    assert new.lift == pytest.approx(new.chance / answer.found.overall)


def test_only_those_asked_for_are_shown_and_only_those_in_scope_are_learnt_from(answer):
    asked = propensity_of(read(ProspectQuery("accounts", ("industry = 'bank'",)), **world()))
    chances = {each.id: each.chance for each in answer.prospects}
    assert len(asked.prospects) < len(answer.prospects)
    assert all(each.chance == chances[each.id] for each in asked.prospects)
    scoped = propensity_of(read(ProspectQuery("accounts"), scope=("industry = 'bank'",), **world()))
    assert scoped.found.n < answer.found.n


def test_a_lead_is_decided_once_converted_in_time_or_when_its_days_are_over():
    leads = [
        {"id": "soon", "created_at": day(90), "converted_at": day(80)},
        {"id": "late", "created_at": day(90), "converted_at": day(90 - LEAD_DAYS - 1)},
        {"id": "never", "created_at": day(LEAD_DAYS + 1)},
        {"id": "young", "created_at": day(5), "name": "Y"},
        {"id": "test", "created_at": day(5), "is_test": True},
        {"id": "deal", "created_at": day(90)},
    ]
    cycles = [{"lead_id": "deal", "opportunity_at": day(80)}, {"lead_id": "young"}]
    result = read(ProspectQuery("leads"), lead=leads, lead_cycle=cycles)
    rows = {row["id"]: (row["is_decided"], row["is_converted"]) for row in result.rows.to_pylist()}
    assert rows.pop("deal") == (True, True)
    assert rows == {"soon": (True, True), "late": (True, False), "never": (True, False), "young": (False, False)}
    assert [each.id for each in propensity_of(result).prospects] == ["young"]


def test_other_subjects_and_unknown_columns_are_refused():
    with pytest.raises(QueryError):
        read(ProspectQuery("people"))
    with pytest.raises(QueryError):
        read(ProspectQuery("leads", ("nonsense = 1",)))


def test_records_fit_the_answer_of_the_api(answer):
    assert PropensityOut.model_validate(propensity_record(answer)).basis == answer.found.basis
    assert tuple(propensity_records(answer)[0]) == FIELDS


@pytest.fixture
def run(monkeypatch, answer):
    return runner(monkeypatch, answer)


def runner(monkeypatch, answer):
    workspace = fake_workspace()

    class View:
        project, catalogue = workspace.project, workspace.catalogue

        def propensity(self, query):
            return answer

    opened = type("Opened", (), {"project": workspace.project, "view": lambda self: View()})()
    monkeypatch.setattr(rooms, "open_workspace", lambda root: opened)
    return lambda *more: CliRunner().invoke(main, ["propensity", "accounts", *more])


def test_the_terminal_tells_traits_prospects_and_how_it_was_checked(run):
    told = run("--lang", "en")
    assert told.exit_code == 0, told.output
    assert "bank" in told.stdout
    assert "not a cause" in told.stderr
    assert "pas une cause" in run("--lang", "fr").stderr
    [document] = json.loads(run("--format", "json").stdout)
    assert document["traits"]
    assert run("--format", "csv").stdout.splitlines()[0] == ",".join(FIELDS)


def test_the_terminal_says_that_few_are_too_few(monkeypatch):
    few = propensity_of(read(ProspectQuery("accounts"), **world(30)))
    told = runner(monkeypatch, few)("--lang", "en")
    assert told.exit_code == 0, told.output
    assert "too few to learn from" in told.stderr


def test_a_level_that_fits_by_itself_is_no_model():
    rng = np.random.default_rng(SEED)
    n = 900
    # the share falls all the time and the kind tells nothing
    won = (rng.random(n) < np.linspace(0.7, 0.2, n)).astype(float)
    kinds = Prospects({"industry": np.where(np.arange(n) < 500, "old", rng.choice(["a", "b"], n))}, {}, n)
    assert fit_propensity(kinds, won, np.arange(float(n))).basis == "nothing"
