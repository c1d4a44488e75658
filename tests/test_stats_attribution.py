"""Credit sums to what was won, whatever the model, and agrees with answers computed by hand or by others."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.stats.attribution import RULES, rule_credit, rule_weights, shapley_credit
from cadran.stats.hazard import hazard_credit
from cadran.stats.journeys import NO_TOUCH, Journeys
from cadran.stats.markov import markov_chain, markov_credit, removal_effects
from evaluation.attribution import path_data

SHARED = Path(__file__).parents[2] / "shared" / "data" / "attribution"
NAMES = ("ads", "mail", "event", "web")


def journeys(*paths, won=None, value=None, ages=None, lead=None, deal=None):
    """Journeys from lists of channel codes; every journey is won once unless said otherwise."""
    lengths = np.array([len(path) for path in paths])
    wins = np.ones(len(paths)) if won is None else np.array(won, dtype=float)
    return Journeys(
        NAMES,
        np.array([code for path in paths for code in path]),
        np.concatenate([np.arange(n, 0, -1.0) for n in lengths] if ages is None else [np.array(a) for a in ages]),
        np.cumsum(lengths) - lengths,
        wins,
        np.where(wins > 0, 0.0, 1.0),
        wins * 100 if value is None else np.array(value, dtype=float),
        None if lead is None else np.array(lead),
        None if deal is None else np.array(deal),
    )


def every(found):
    rules = [rule_credit(found, rule) for rule in RULES]
    return [*rules, shapley_credit(found), markov_credit(found), markov_credit(found, order=2), hazard_credit(found)]


def test_a_journey_of_one_touch_gives_it_everything():
    """T-90."""
    for credit in every(journeys([2], [0], won=[1, 0]))[:-1]:
        assert credit.wins.tolist() == [0, 0, 1, 0], credit.model


def test_two_touches_share_equally_by_position():
    """T-90: 50/50, and not 40/40 with a fifth lost."""
    assert rule_credit(journeys([0, 1]), "u_shaped").wins.tolist() == [0.5, 0.5, 0, 0]


def test_position_gives_40_20_40():
    weights = rule_weights(journeys([0, 1, 2, 3]), "u_shaped")
    assert weights.tolist() == pytest.approx([0.4, 0.1, 0.1, 0.4])


def test_w_gives_30_to_the_first_the_lead_and_the_deal_touch_and_10_to_the_others():
    weights = rule_weights(journeys([0, 1, 2, 3, 0], lead=[1], deal=[3]), "w_shaped")
    assert weights.tolist() == pytest.approx([0.3, 0.3, 0.05, 0.3, 0.05])


def test_a_touch_that_is_two_milestones_gets_both_and_nothing_is_lost():
    weights = rule_weights(journeys([0, 1, 2], lead=[0], deal=[2]), "w_shaped")
    assert weights.tolist() == pytest.approx([0.6, 0.1, 0.3])
    without = rule_weights(journeys([0, 1, 2], lead=[NO_TOUCH], deal=[NO_TOUCH]), "w_shaped")
    assert without.tolist() == pytest.approx([0.3 / 0.4, 0.05 / 0.4, 0.05 / 0.4])


def test_full_path_adds_the_closing_touch():
    weights = rule_weights(journeys([0, 1, 2, 3, 0], lead=[1], deal=[2]), "full_path")
    assert weights.tolist() == pytest.approx([0.225, 0.225, 0.225, 0.1, 0.225])


def test_time_decay_halves_in_a_half_life_however_old_the_journey_is():
    for age in (0.0, 10_000.0):
        weights = rule_weights(journeys([0, 1], ages=[[age + 7, age]]), "time_decay", half_life=7)
        assert weights.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_shapley_shares_a_win_equally_among_the_different_channels():
    assert shapley_credit(journeys([0, 0, 0, 1])).wins.tolist() == [0.5, 0.5, 0, 0]


def test_removing_a_channel_loses_the_wins_that_pass_through_it():
    """Worked by hand: ads→mail wins once, ads→nothing once, mail wins once."""
    found = journeys([0, 1], [0], [1], won=[1, 0, 1])
    chain = markov_chain(found)
    effects = removal_effects(chain, chain.wins)
    assert effects[:2].tolist() == pytest.approx([0.5, 1.0])
    assert markov_credit(found).wins[:2].tolist() == pytest.approx([2 / 3, 4 / 3])


def test_repeats_that_follow_each_other_change_nothing():
    once, often = journeys([0, 1], [1], won=[1, 0]), journeys([0, 0, 0, 1, 1], [1, 1], won=[1, 0])
    assert markov_credit(once).wins.tolist() == pytest.approx(markov_credit(often).wins.tolist())


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public journeys are not on this machine")
def test_it_agrees_with_the_exact_answers_on_public_journeys():
    found, place = path_data(SHARED)
    chain = markov_chain(found)
    effects = removal_effects(chain, chain.wins)
    for answer in json.loads((SHARED / "expected_markov.json").read_text()).values():
        for channel, effect in answer["removal_effect"].items():
            assert effects[place[channel]] == pytest.approx(effect, abs=1e-12)
    expected = json.loads((SHARED / "expected.json").read_text())["values"]
    answers = {
        "first_touch": rule_credit(found, "first"),
        "last_touch": rule_credit(found, "last"),
        "linear_every_touch": rule_credit(found, "linear"),
        "position_based_40_20_40": rule_credit(found, "u_shaped"),
        "linear_distinct_channels": shapley_credit(found),
    }
    for name, credit in answers.items():
        for row in expected[name]["rows"]:
            assert credit.wins[place[row["chan"]]] == pytest.approx(row["conversions"], abs=1e-5), name


PATHS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=7), min_size=1, max_size=12)


@given(PATHS, st.data())
def test_credits_sum_to_what_was_won(paths, data):
    """T-92."""
    won = data.draw(st.lists(st.booleans(), min_size=len(paths), max_size=len(paths)))
    found = journeys(*paths, won=won, value=[1000.0 * place * is_won for place, is_won in enumerate(won, 1)])
    for credit in every(found):
        assert credit.wins.min() >= -1e-12
        assert credit.wins.sum() + credit.organic_wins == pytest.approx(sum(won)), credit.model
        assert credit.value.sum() + credit.organic_value == pytest.approx(found.value.sum()), credit.model


@given(PATHS, st.randoms(use_true_random=False))
def test_the_order_of_journeys_changes_nothing(paths, random):
    won = [place % 2 for place in range(len(paths))]
    order = list(range(len(paths)))
    random.shuffle(order)
    before = every(journeys(*paths, won=won))
    after = every(journeys(*[paths[place] for place in order], won=[won[place] for place in order]))
    for one, other in zip(before, after, strict=True):
        assert one.wins == pytest.approx(other.wins, abs=1e-9), one.model


def test_the_hazard_finds_the_channel_that_causes_and_not_the_one_that_is_busy():
    """Wins come two days after every third mail; ads are everywhere and cause nothing."""
    rng = np.random.default_rng(5)
    paths, ages, won = [], [], []
    for _ in range(3000):
        has_mail = rng.random() < 0.5
        days = np.sort(rng.uniform(0, 60, 4))
        path = [0, 0, 0, 1] if has_mail else [0, 0, 0, 0]
        wins = has_mail and rng.random() < 0.3
        end = days[-1] + (rng.exponential(2.0) if wins else 30.0)
        paths.append(path)
        ages.append(end - days)
        won.append(wins)
    credit = hazard_credit(journeys(*paths, won=won, ages=ages))
    assert credit.wins[1] / credit.wins.sum() > 0.9
    assert rule_credit(journeys(*paths, won=won, ages=ages), "linear").wins[1] / sum(won) == pytest.approx(0.25)
