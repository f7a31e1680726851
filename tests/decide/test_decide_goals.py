"""Goals: what a user may ask for, and one sentence for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.decide import Goal
from resight.errors import ConfigError

AMONG = "expected a goal among fpir=RATE, conformal=RATE, share-new=SHARE, best=map@5, best=baks-baus"


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("fpir=0.01", Goal("fpir", 0.01)),
        (" FPIR = 1e-3 ", Goal("fpir", 0.001)),
        ("conformal=0.05", Goal("conformal", 0.05)),
        ("share-new=0.165", Goal("share-new", 0.165)),
        ("best=map@5", Goal("map@5")),
        ("best=BAKS-BAUS", Goal("baks-baus")),
    ],
)
def test_the_goals_that_there_are(text, goal):
    assert Goal.parse(text) == goal


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["fpir", "conformal", "share-new"]), st.floats(1e-4, 0.999))
def test_a_goal_is_read_back_as_it_is_written(name, value):
    goal = Goal(name, float(f"{value:g}"))
    assert Goal.parse(str(goal)) == goal


def test_a_promise_to_strangers_leaves_room_for_unsure():
    goals = [Goal.parse(text) for text in ("fpir=.1", "conformal=.2", "share-new=.1", "best=map@5")]
    assert [goal.two_way for goal in goals] == [False, False, True, True]
    assert [goal.promised_fpir for goal in goals] == [0.1, 0.2, None, None]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "fpri=0.01",
            f"{AMONG}, found 'fpri=0.01'. Did you mean 'fpir'?",
        ),
        (
            "best=map5",
            f"{AMONG}, found 'best=map5'. Did you mean 'best=map@5'?",
        ),
        ("", f"{AMONG}, found ''."),
        ("fpir=1.5", "expected a share between 0 and 1 for the goal fpir, such as fpir=0.05, found 1.5"),
        ("fpir=0", "expected a share between 0 and 1 for the goal fpir, such as fpir=0.05, found 0"),
        ("fpir=nan", "expected a share between 0 and 1 for the goal fpir, such as fpir=0.05, found nan"),
        ("fpir", "expected a share between 0 and 1 for the goal fpir, such as fpir=0.05, found ''"),
        ("share-new=x", "expected a share between 0 and 1 for the goal share-new, such as share-new=0.05, found 'x'"),
    ],
)
def test_what_is_no_goal_gets_one_sentence(text, sentence):
    with pytest.raises(ConfigError) as caught:
        Goal.parse(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(("name", "value"), [("map@5", 0.5), ("fpir", None), ("fpir", float("inf")), ("frr", 0.1)])
def test_a_goal_made_by_hand_is_checked_too(name, value):
    with pytest.raises(ConfigError):
        Goal(name, value)
