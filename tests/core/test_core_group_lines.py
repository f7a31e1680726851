"""Lines for groups: what an operating point accepts, keeps in a file, and says of each query."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from resight.core import Estimate, GroupThreshold, OperatingPoint
from resight.errors import InputError

RATE = Estimate(0.1, 0.0, 0.2, 40)
LINES = (GroupThreshold("left", 0.8, 0.5, 20), GroupThreshold("right", 0.6, 0.6, 3))
FIELDS = {
    "threshold": 0.7, "new_below": 0.4, "slope": 12.0, "cut": 7.0, "scale": "cosine", "model": "m", "n_gallery": 40,
    "n_photos": 90, "goal": "fpir=0.01", "share_new": 0.2, "fpir": RATE, "fnir": RATE, "n_mated": 80,
    "n_non_mated": 90, "fitted_on": "",
}  # fmt: skip


def point(**changes) -> OperatingPoint:
    return OperatingPoint(**{**FIELDS, "group_column": "side", "group_thresholds": LINES, **changes})


def test_each_query_has_the_line_of_its_group_and_others_that_of_all():
    groups = ["right", None, "", "top", "left"]
    for given in (groups, np.array(groups, dtype=object)):
        thresholds, new_below = point().lines(given, 5)
        assert thresholds.tolist() == [0.6, 0.7, 0.7, 0.7, 0.8]
        assert new_below.tolist() == [0.6, 0.4, 0.4, 0.4, 0.5]
    assert [line.shape for line in point().lines([], 0)] == [(0,), (0,)]
    assert OperatingPoint(**FIELDS).lines(None, 2)[0].tolist() == [0.7, 0.7]


@pytest.mark.parametrize(
    ("made", "groups", "sentence"),
    [
        (point(), None, "expected the 'side' of each query with this operating point, found none"),
        (OperatingPoint(**FIELDS), ["left"], "expected no groups with this operating point, found some"),
        (point(), ["left", "left"], "expected one group per query, found 2 for 1 queries"),
    ],
)
def test_groups_that_are_missing_or_unwanted(made, groups, sentence):
    with pytest.raises(InputError, match=sentence):
        made.lines(groups, 1)


def test_json_there_and_back():
    assert OperatingPoint.from_json(json.loads(json.dumps(point().to_json()))) == point()
    assert point().to_json()["format"] == 2
    assert point().to_json()["group_thresholds"][0] == {
        "value": "left", "threshold": 0.8, "new_below": 0.5, "n_individuals": 20,
    }  # fmt: skip


def test_a_file_of_the_first_format_has_one_line_for_all():
    data = OperatingPoint(**FIELDS).to_json() | {"format": 1}
    del data["group_column"], data["group_thresholds"]
    read = OperatingPoint.from_json(json.loads(json.dumps(data)))
    assert read == OperatingPoint(**FIELDS)
    assert (read.group_column, read.group_thresholds) == (None, ())
    with pytest.raises(InputError, match="expected the fields"):
        OperatingPoint.from_json(data | {"format": 2})


@pytest.mark.parametrize(
    "changes",
    [
        {"group_column": None},
        {"group_column": ""},
        {"group_column": 5},
        {"group_thresholds": [*LINES]},
        {"group_thresholds": ("left",)},
        {"group_thresholds": (*LINES, LINES[0])},
    ],
)
def test_odd_groups_are_refused(changes):
    with pytest.raises(InputError, match="of an operating point"):
        point(**changes)


@pytest.mark.parametrize(
    "odd",
    [
        {"value": ""},
        {"value": None},
        {"threshold": math.nan},
        {"threshold": True},
        {"new_below": 0.9},
        {"new_below": "low"},
        {"n_individuals": 0},
        {"n_individuals": 1.5},
    ],
)
def test_an_odd_line_is_refused_when_made_and_when_read(odd):
    fields = {"value": "left", "threshold": 0.8, "new_below": 0.5, "n_individuals": 20, **odd}
    with pytest.raises(InputError, match="expected"):
        GroupThreshold(**fields)
    with pytest.raises(InputError, match="expected"):
        OperatingPoint.from_json(point().to_json() | {"group_thresholds": [fields]})


@pytest.mark.parametrize("lines", [None, "left", 5, {"left": 0.8}, [None], [{"value": "left"}]])
def test_lines_of_another_make_in_a_file(lines):
    with pytest.raises(InputError, match="expected"):
        OperatingPoint.from_json(point().to_json() | {"group_thresholds": lines})


def test_numbers_of_numpy_become_plain_ones():
    made = GroupThreshold("left", np.float32(0.5), np.float32(0.25), np.int64(3))
    assert (
        json.loads(json.dumps(point(group_thresholds=(made,)).to_json()))["group_thresholds"][0]["n_individuals"] == 3
    )
