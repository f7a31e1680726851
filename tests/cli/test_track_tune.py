"""resight track and resight tune: thin calls, and one sentence for bad input."""

from __future__ import annotations

import json
import sys
import types

import pytest

from resight.config import TrainRecipe

SPACE = "[[parameters]]\nkind = 'whole'\nkey = 'stages.0.n_epochs'\nlow = 2\nhigh = 9\n"


@pytest.fixture
def trainings(monkeypatch):
    """Training that is done at once."""
    recipes = []

    def train_network(_, *, recipe, **__):
        recipes.append(recipe)
        return types.SimpleNamespace(best_oscr=recipe.stages[0].n_epochs / 10)

    room = types.ModuleType("resight.train.networks.training")
    room.train_network = train_network
    monkeypatch.setitem(sys.modules, room.__name__, room)
    monkeypatch.setattr("resight.train.tuning.study.write_tuning", lambda *_: None)
    return recipes


def test_tuning_goes_on_and_names_the_next_step(resight, trainings, tmp_path):
    pytest.importorskip("optuna")
    space = tmp_path / "space.toml"
    space.write_text(SPACE)
    words = [
        "tune",
        "-c",
        tmp_path / "mine",
        "--space",
        space,
        "--run",
        tmp_path / "run",
        "--set",
        "stages.0.side_px=64",
    ]
    run = resight(*words, "--trials", 2)
    assert run.code == 0, run.err
    assert "best OSCR: " in run.out
    assert f"resight train network --catalogue {tmp_path / 'mine'} --recipe {tmp_path / 'run' / 'best.toml'}" in run.err
    assert TrainRecipe.read(tmp_path / "run" / "best.toml").stages[0].side_px == 64
    run = resight(*words, "--trials", 3, "--json")
    assert len(json.loads(run.out)["trials"]) == 3
    assert len(trainings) == 3
    assert {recipe.stages[0].side_px for recipe in trainings} == {64}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--space", "nothing"], "no recipe is called 'nothing'"),
        (["--set", "stages.0.side=64"], "--set, [[stages]] number 1: expected a key among"),
        (["--set", "stages.0.side_px"], "expected a setting as key=value"),
        (["--set", "hold_out.n_parts=0"], "expected individuals that are held back"),
        (["--recipe", "{tmp}/none.toml"], "expected a recipe in"),
    ],
)
def test_what_is_wrong_with_tuning_is_one_sentence(resight, tmp_path, words, said):
    run = resight("tune", "-c", tmp_path, "--run", tmp_path / "run", *(word.format(tmp=tmp_path) for word in words))
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert run.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{tmp}/nowhere"], "expected a folder of training runs"),
        (["{tmp}"], "found none: give the folder that holds their folders"),
        (["{tmp}", "--host", "192.0.2.1"], "expected a host of this machine alone"),
    ],
)
def test_what_is_wrong_with_tracking_is_one_sentence(resight, tmp_path, words, said):
    pytest.importorskip("mlflow")
    run = resight("track", *(word.format(tmp=tmp_path) for word in words), "--port", 5999)
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["track", "tune"])
def test_help_has_an_example(resight, verb):
    assert f"resight {verb} " in resight(verb, "--help").out.partition("Example:")[2]
