"""Who may answer whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.core import Catalogue, Eligibility
from resight.errors import InputError, UnknownNameError

VALUE = st.sampled_from(["x", "y", "z", None])
ROW = st.tuples(VALUE, VALUE)


def catalogue(rows, prefix="i", ids=None, **extra) -> Catalogue:
    ids = ids or [f"{prefix}{n}" for n in range(len(rows))]
    frame = {
        "image_id": ids,
        "path": [f"{name}.jpg" for name in ids],
        "encounter": pl.Series([row[0] for row in rows], dtype=pl.String),
        "side": pl.Series([row[1] for row in rows], dtype=pl.String),
        **extra,
    }
    return Catalogue(pl.DataFrame(frame), Path())


@given(st.lists(ROW, min_size=1, max_size=5), st.lists(ROW, max_size=5))
@settings(deadline=None, max_examples=100)
def test_it_agrees_with_the_rule_said_in_words(queries, gallery):
    rule = Eligibility.of(catalogue(queries, "q"), catalogue(gallery, "g"), agree=("side",))
    for q, (encounter, side) in enumerate(queries):
        expected = [
            not (encounter is not None and encounter == other_encounter)
            and (side is None or other_side is None or side == other_side)
            for other_encounter, other_side in gallery
        ]
        assert rule.allowed(q).tolist() == expected


@given(st.lists(ROW, min_size=1, max_size=6))
@settings(deadline=None, max_examples=50)
def test_a_photo_never_answers_for_itself_nor_for_its_encounter(rows):
    same = catalogue(rows)
    rule = Eligibility.of(same, same)
    for q in range(len(rows)):
        assert not rule.allowed(q)[q]
        for g in np.flatnonzero(rule.allowed(q)):
            assert rows[q][0] is None or rows[q][0] != rows[g][0]


@given(st.lists(ROW, min_size=1, max_size=6), st.data())
@settings(deadline=None, max_examples=50)
def test_select_says_the_same_for_some_of_the_queries(rows, data):
    same = catalogue(rows)
    rule = Eligibility.of(same, same, agree=("side",))
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    part = rule.select(np.array(chosen, dtype=np.int64))
    for place, row in enumerate(chosen):
        assert part.allowed(place).tolist() == rule.allowed(row).tolist()


def test_numbers_of_two_kinds_are_compared_by_value_and_nan_forbids_nothing():
    one = catalogue([(None, None)] * 3, "q", year=[2012.0, float("nan"), None])
    two = catalogue([(None, None)] * 2, "g", year=[2012, 2013])
    rule = Eligibility.of(one, two, differ=("year",))
    assert [rule.allowed(q).tolist() for q in range(3)] == [[False, True], [True, True], [True, True]]


def test_whole_numbers_and_text_are_compared_as_text():
    one = catalogue([(None, None)], "q", year=["2012"])
    two = catalogue([(None, None)] * 2, "g", year=[2012, 2013])
    assert Eligibility.of(one, two, agree=("year",)).allowed(0).tolist() == [True, False]


def test_values_that_cannot_be_compared_are_refused():
    one, two = catalogue([(None, None)], "q", year=[True]), catalogue([(None, None)], "g", year=[b"x"])
    with pytest.raises(InputError, match="column 'year' of values that can be compared, found Boolean and Binary"):
        Eligibility.of(one, two, agree=("year",))


def test_boxes_are_no_single_values():
    same = catalogue([(None, None)], box=[[0, 0, 1, 1]])
    with pytest.raises(InputError, match="single values"):
        Eligibility.of(same, same, differ=("box",))


@pytest.mark.parametrize("differ", [("encountr",), "encounter"])
def test_an_unknown_column_is_refused(differ):
    same = catalogue([(None, None)])
    with pytest.raises(UnknownNameError, match="no column is called"):
        Eligibility.of(same, same, differ=differ)


def test_an_empty_gallery_and_no_queries():
    none, one = catalogue([], "g"), catalogue([("x", None)], "q")
    assert Eligibility.of(one, none).allowed(0).shape == (0,)
    assert len(Eligibility.of(none, one).differ[0][0]) == 0


def test_the_empty_rule_does_not_know_the_gallery():
    with pytest.raises(InputError, match="everything may answer"):
        Eligibility().allowed(0)
    assert Eligibility().select(slice(0, 3)).differ == ()


@pytest.mark.parametrize(
    "pairs",
    [
        (([0, 1], [0]), ([0], [0])),
        (([0], [0]), ([0], [0, 1])),
        (([0.5], [0]),),
        (([0], [-2]),),
        (([[0]], [0]),),
        (([0], [True]),),
        ((["x"], ["x"]),),
        (([None], [0]),),
    ],
)
@pytest.mark.parametrize("side", ["differ", "agree"])
def test_wrong_codes_are_refused(pairs, side):
    with pytest.raises(InputError, match="expected"):
        Eligibility(**{side: tuple((np.array(q), np.array(g)) for q, g in pairs)})


def test_codes_are_frozen_copies():
    queries, gallery = np.array([0]), np.array([0, 1])
    rule = Eligibility(differ=((queries, gallery),))
    gallery[:] = 5
    assert rule.allowed(0).tolist() == [False, True]
    with pytest.raises(ValueError, match="read-only"):
        rule.differ[0][1][0] = 5


def test_a_rejected_individual_does_not_answer_and_nobody_else_is_kept_away():
    queries, names = np.array(["a", "b", "c"]), ["Nala", "Simba", "Nala", "Kiara"]
    rejections = {"b": ("Simba", "Gone", "Nala"), "c": ("Kiara",), "elsewhere": ("Nala",)}
    rule = Eligibility(differ=(([0, 1, 2], [0, -1, -1, -1]),)).barring(queries, names, rejections)
    told = [[names[row] for row in np.flatnonzero(rule.allowed(query))] for query in range(3)]
    assert told == [["Simba", "Nala", "Kiara"], ["Kiara"], ["Nala", "Simba", "Nala"]]
    nobody = Eligibility()
    assert nobody.barring(queries, names, {"elsewhere": ("Nala",), "a": ()}) is nobody
    assert nobody.barring(queries, names, {"a": ("Gone",)}).differ == ()
