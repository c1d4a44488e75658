"""Which records may be one: groups, the log of decisions, keys, and the model that learns from decisions."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadran.errors import ConfigError, QueryError
from cadran.jobs.match import Proposal, decision, reviewed, sample
from cadran.matching.companies import companies
from cadran.matching.decisions import FIELDS, Decision, lines_of, links, parsed, standing
from cadran.matching.groups import groups, pair
from cadran.matching.learn import chance, learn
from cadran.matching.people import people
from cadran.matching.rows import SCHEMA, keyed

MARCH, APRIL, MAY = datetime(2026, 3, 1), datetime(2026, 4, 1), datetime(2026, 5, 1)
HEAD = ",".join(FIELDS)


def table(*rows):
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in SCHEMA.names}
    return pa.table(columns, schema=SCHEMA)


def said(one, other, verdict="same", at=MARCH, person="ann", chance=None):
    return Decision("account", *sorted((one, other)), verdict, person, at, chance)


def test_pairs_that_share_a_record_are_one_group():
    assert groups([pair("b", "a"), pair("c", "b"), pair("x", "y")]) == [("a", "b", "c"), ("x", "y")]


def test_a_group_never_joins_records_that_were_told_apart():
    found = groups([pair("a", "b", 0.9), pair("b", "c", 0.99)], [("a", "c")])
    assert found == [("b", "c")]


def test_a_group_stops_where_a_model_may_not_chain_further():
    assert groups([pair(f"{n}", f"{n + 1}") for n in range(8)], most=4) == [("0", "1", "2", "3"), ("4", "5", "6", "7")]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from([0.5, 0.8, 0.99])), max_size=15),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4),
    st.randoms(use_true_random=False),
)
def test_groups_do_not_depend_on_the_order_and_grouping_again_changes_nothing(triples, foes, random):
    chances = {tuple(sorted((str(a), str(b)))): c for a, b, c in triples if a != b}
    pairs = [pair(*ids, c) for ids, c in chances.items()]
    apart = [tuple(sorted((str(a), str(b)))) for a, b in foes if a != b]
    found = groups(pairs, apart, most=None)
    random.shuffle(pairs)
    random.shuffle(apart)
    assert groups(pairs, apart, most=None) == found
    again = [pair(group[0], other) for group in found for other in group[1:]]
    assert groups(again, apart, most=None) == found
    assert not any({*ids} <= {*group} for ids in apart for group in found)


def test_the_last_word_about_a_pair_holds_and_undo_takes_it_back():
    log = [said("b", "a"), said("c", "d"), said("a", "b", "undo"), said("c", "d", "apart")]
    assert {key: each.verdict for key, each in standing(log).items()} == {("account", "c", "d"): "apart"}


def test_a_decision_survives_its_file():
    log = [said("a", "b", chance=0.98), said('x,"1', "y", "apart", APRIL)]
    assert parsed(HEAD + "\n" + "".join(lines_of(log)), "matches.csv") == log


@pytest.mark.parametrize("line", ["account,a,a,same,ann,2026-03-01,", "deal,a,b,same,ann,2026-03-01,", "lead,a,b,maybe,ann,2026-03-01,",
                                  "lead,a,b,same,ann,yesterday,", "lead,a,b,same,ann,2026-03-01,high"])  # fmt: skip
def test_a_line_that_cannot_be_read_is_told_with_its_place(line):
    with pytest.raises(ConfigError) as stopped:
        parsed(f"{HEAD}\n{line}\n", "matches.csv")
    assert stopped.value.where == "matches.csv:2"


def test_g12_a_decision_counts_from_the_export_on_which_it_was_taken():
    log = [said("a", "b", at=datetime(2026, 4, 9)), said("b", "c", at=datetime(2026, 5, 2))]
    found = [(r["record_id"], r["group_id"], r["valid_from"]) for r in links(log, [MARCH, APRIL, MAY])]
    assert found == [("a", "a", APRIL), ("b", "a", APRIL), ("c", "a", MAY)]


def test_what_is_undone_later_was_so_until_then():
    log = [said("a", "b", at=APRIL), said("a", "b", "undo", at=MAY)]
    found = [(r["record_id"], r["group_id"], r["valid_from"]) for r in links(log, [MARCH, APRIL, MAY])]
    assert found == [("a", "a", APRIL), ("b", "a", APRIL), ("a", None, MAY), ("b", None, MAY)]


def test_a_pair_told_apart_is_left_alone_by_rules():
    assert [(r["record_id"], r["is_apart"]) for r in links([said("b", "a", "apart")], [MARCH])] == [("b", True)]
    assert links([], [MARCH]) == []
    assert links([said("a", "b")], []) == []


def test_keys_are_those_of_the_rules():
    found = keyed(table({"id": "1", "name": "Zoé de la Tour", "company": "Acme S.A.S.", "email": "Zoe.Tour+x@Acme.com",
                         "phone": "+33 6 12 34 56 78", "tax_id": "fr 123 456 789"})).to_pylist()[0]  # fmt: skip
    assert found == {"id": "1", "first": "zoe", "last": "delatour", "name": "zoe de la tour", "company": "acme",
                     "email": "zoe.tour@acme.com", "phone": "612345678", "domain": "acme.com", "local": "zoetourx",
                     "tax_id": "FR123456789", "country": None}  # fmt: skip


def test_a_number_that_many_names_share_is_nobody_s():
    rows = [{"id": str(n), "name": f"Ann N{n}x", "phone": "0102030405"} for n in range(5)]
    assert keyed(table(*rows))["phone"].null_count == 5
    assert keyed(table(*rows[:4]))["phone"].null_count == 0


def test_free_mail_and_shared_sites_merge_nobody():
    """Neither free mail nor the site of a group makes two records one."""
    rows = table(
        {"id": "1", "name": "Danone Waters", "domain": "danone.com"},
        {"id": "2", "name": "Blédina Nutrition", "domain": "danone.com"},
        {"id": "3", "name": "Durand Conseil", "domain": "gmail.com"},
        {"id": "4", "name": "Plomberie Petit", "domain": "gmail.com"},
    )
    assert [each for each in companies(rows, {}) if each.chance >= 0.5] == []


def test_a_company_written_otherwise_is_found():
    rows = table(
        {"id": "1", "name": "Saint-Gobain International SA", "country": "France"},
        {"id": "2", "name": "SAINT GOBAIN INTL", "country": "france"},
        {"id": "3", "name": "Saint Maclou Distribution", "country": "France"},
    )
    assert [each.ids for each in companies(rows, {}) if each.chance >= 0.5] == [("1", "2")]


def test_companies_learn_from_decisions():
    """Two names that differ by one word: whoever refuses such pairs is proposed fewer of them."""
    rows = table(
        *[{"id": f"{n}{part}", "name": f"{name} {part}"} for n, name in enumerate(NAMES) for part in ("Nord", "Sud")]
    )
    before = dict.fromkeys([each.ids for each in companies(rows, {})])
    refused = {(f"{n}Nord", f"{n}Sud"): False for n in range(6)}
    held_out = (f"{7}Nord", f"{7}Sud")
    cold = {each.ids: each.chance for each in companies(rows, {})}
    taught = {each.ids: each.chance for each in companies(rows, refused)}
    assert held_out in before
    assert taught.get(held_out, 0.0) < cold[held_out] / 2


NAMES = ("Alpina Transports", "Béton Services", "Cordier Logistique", "Delmas Energie", "Electra Réseaux",
         "Fournier Bois", "Garonne Eaux", "Horizon Bâtiment")  # fmt: skip


def test_a_model_without_examples_is_what_was_believed():
    prior = np.array([-1.0, 2.0])
    assert learn(np.zeros((0, 1)), np.zeros(0, bool), prior).tolist() == prior.tolist()


def test_a_model_of_many_examples_is_their_frequencies():
    features = np.array([[0.0]] * 400 + [[1.0]] * 400)
    same = np.array([True] * 40 + [False] * 360 + [True] * 300 + [False] * 100)
    beta = learn(features, same, np.zeros(2), weight=1e-6)
    assert chance(np.array([[0.0], [1.0]]), beta) == pytest.approx([0.1, 0.75], abs=1e-3)


def test_few_people_are_not_matched_with_anybody():
    assert people(table({"id": "1", "name": "Ann Lee"})) == []


def test_people_are_told_by_typing_errors_and_numbers_not_by_common_names():
    words = ["".join(chr(97 + (n * 7 + k * k * (n + 3)) % 26) for k in range(8)) for n in range(26)]
    rows = [
        {"id": "a", "name": "Marguerite Lefebvre", "company": "Nova Santé SAS", "phone": "0611223344", "email": "ml@nova.fr"},
        {"id": "b", "name": "Marguerite Lefbevre", "company": "Nova Sante", "phone": "+33611223344"},
        *({"id": f"{n:03d}", "name": f"Jean Martin{'ez' * (n % 2)}", "company": word, "email": f"jean@{word}.fr"} for n, word in enumerate(words)),
    ]  # fmt: skip
    found = people(table(*rows))
    assert [each.ids for each in found] == [("a", "b")]
    assert people(table(*reversed(rows))) == found


def proposals(*chances):
    return [Proposal("contact", pair(f"a{n}", f"b{n}", chance), {}, {}) for n, chance in enumerate(chances)]


def test_half_of_a_sample_is_certain_and_half_teaches():
    found = sample(proposals(*[0.9999] * 30, 0.5, 0.6, 0.9, 0.97), 4, seed=3)
    assert sorted(each.pair.chance for each in found) == [0.5, 0.6, 0.9999, 0.9999]
    assert sample(proposals(*[0.9999] * 30), 4, seed=3) != sample(proposals(*[0.9999] * 30), 4, seed=4)
    assert len(sample(proposals(0.5), 4, seed=3)) == 1


def test_nothing_is_merged_unseen_before_certain_pairs_were_reviewed():
    log = [said(f"a{n}", f"b{n}", chance=0.99) for n in range(30)]
    assert reviewed(log, "account").is_enough
    assert not reviewed(log[1:], "account").is_enough
    assert not reviewed([*log, said("x", "y", "apart", chance=0.99)], "account").is_enough
    unseen = [said(f"a{n}", f"b{n}", chance=0.99, person="model") for n in range(30)]
    assert reviewed(unseen, "account").n == 0


def test_a_decision_is_about_two_records():
    with pytest.raises(QueryError, match="two records"):
        decision("account", "a", "a", "same", "ann", MARCH)
    assert decision("account", "b", "a", "same", "ann", MARCH).ids == ("a", "b")


def test_one_near_match_does_not_join_two_groups():
    inside = [pair(one, other, 0.99) for one, other in ("ab", "bc", "ac", "xy", "yz", "xz")]
    bridge = pair("c", "x", 0.98)
    assert groups([*inside, bridge], least=0.9, support=0.3) == [("a", "b", "c"), ("x", "y", "z")]
    more = [bridge, pair("b", "x", 0.6), pair("a", "x", 0.6)]
    assert groups([*inside, *more], least=0.9, support=0.3) == [("a", "b", "c", "x", "y", "z")]
