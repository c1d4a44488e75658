"""Chances after a stage's conversion breaks, whether they are worth anything, and how long stays usually last."""

import numpy as np
import pytest

from cadran.stats.breaks import fit_adjusted
from cadran.stats.stalls import usual_days
from cadran.stats.stays import LOST, OPEN, Stays, outcomes
from cadran.stats.win_probability import fit_win
from cadran.stats.win_skill import calibration_error, ranking, reliability, skill_of, stage_shares
from deal_world import SEED, company


def test_a_broken_stage_is_found_and_chances_come_down():
    stays = company(n=3000, shift=-1.6, since=530.0)
    model, [found] = fit_adjusted(stays, 600.0)
    assert (found.stage, found.went < found.expected) == (1, True)
    assert found.offset < -0.8
    deals = stays.open_at(600.0)
    won, blind = outcomes(stays)[deals.deal], fit_win(stays, 600.0)
    error, before = (np.mean((each.ever(deals, 600.0) - won) ** 2) for each in (model, blind))
    assert error < before
    assert abs(model.ever(deals, 600.0).mean() - won.mean()) < abs(blind.ever(deals, 600.0).mean() - won.mean())


def test_nothing_moves_where_nothing_broke():
    stays = company(n=900)
    model, found = fit_adjusted(stays, 600.0)
    deals = stays.open_at(600.0)
    assert found == ()
    assert np.array_equal(model.ever(deals, 600.0), fit_win(stays, 600.0).ever(deals, 600.0))


def test_breaks_are_told_by_the_past_alone():
    stays = company(n=900, shift=-2.0, since=610.0)
    assert fit_adjusted(stays, 600.0)[1] == ()


def test_without_a_win_there_is_no_model_and_no_break():
    stays = company(n=50)
    assert fit_adjusted(stays.chosen(stays.to == LOST), 600.0) == (None, ())


def test_the_model_counts_where_it_beats_the_shares():
    found = skill_of(company(n=1500), 700.0, np.array([0.5, 0.9, 0.9]))
    assert found.basis == "model"
    assert found.beats_hand
    assert found.brier["model"] < min(found.brier["stages"], found.brier["all"], found.brier["hand"])
    assert 0.5 < found.auc < 1
    assert sum(group.n for group in found.groups) == found.n


def test_it_says_that_nothing_can_be_learnt_where_wins_come_by_chance():
    rng = np.random.default_rng(SEED)
    n = 1500
    began = rng.uniform(0, 700, n)
    to = np.where(rng.random(n) < 0.4, 1, LOST)
    labels = {"owner": rng.choice(["a", "b", "c"], n)}
    stays = Stays(("only",), np.arange(n), np.zeros(n, int), began, began, began + rng.exponential(40, n), to, labels)
    found = skill_of(stays, 700.0)
    assert found.basis == "nothing"
    assert "hand" not in found.brier


def test_few_deals_are_too_few_to_say():
    assert skill_of(company(n=40), 700.0).basis == "too_few"
    assert skill_of(company(n=900).chosen(np.zeros(0, int)), 700.0).basis == "too_few"


def test_the_share_of_a_stage_with_few_deals_is_drawn_to_that_of_all():
    stays = company(n=900)
    shares, overall = stage_shares(stays, 600.0)
    assert shares[0] < overall < shares[2]
    few, all_of_few = stage_shares(company(n=12), 600.0)
    assert np.abs(few - all_of_few).max() < 0.2


def test_the_gap_and_the_ranking_are_those_of_their_definitions():
    chance, won = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert ranking(chance, won) == 1.0
    assert ranking(np.full(4, 0.5), won) == 0.5
    assert np.isnan(ranking(chance, np.ones(4)))
    assert calibration_error(reliability(chance, won)) == pytest.approx(0.15)


def test_nine_in_ten_stays_are_over_by_then_those_still_open_included():
    n = 20
    left = np.append(np.arange(1.0, 19.0), [np.inf, np.inf])
    stays = Stays(
        ("a", "b"), np.arange(n), np.zeros(n, int), np.zeros(n), np.zeros(n), left, np.where(left < 99, 1, OPEN)
    )
    usual = usual_days(stays, 30.0)
    assert usual[0] == 18.0
    assert np.isnan(usual[1])
    assert np.isnan(usual_days(stays, 5.0)[0])


def test_percentages_set_by_hand_stay_where_nothing_beats_them():
    rng = np.random.default_rng(SEED)
    n = 700
    began = rng.uniform(0, 700, n)
    good = rng.random(n) < 0.5
    # what tells wins is in the stage alone, and whoever set the percentages knew it
    to = np.where(rng.random(n) < np.where(good, 0.95, 0.05), 2, LOST)
    stays = Stays(("a", "b"), np.arange(n), good.astype(int), began, began, began + rng.exponential(60, n), to)
    found = skill_of(stays, 700.0, np.array([0.05, 0.95]))
    assert found.basis == "hand"
    assert not found.beats_hand


def test_only_the_newest_stays_are_learnt_from(monkeypatch):
    stays = company(n=900)
    monkeypatch.setattr("cadran.stats.win_hazard.MOST_STAYS", 200)
    assert fit_win(stays, 600.0).hazard.n_stays < 200
