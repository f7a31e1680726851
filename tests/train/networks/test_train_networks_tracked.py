"""Training that tells MLflow, and tuning that trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import resight
from resight.config import SpaceRecipe, TrainRecipe
from resight.errors import ConfigError, NotFittedError
from resight.train import train_network, tune_network
from resight.train.networks.loop import Loop
from resight.train.networks.run import Run
from resight.train.tracking import read_figures, read_run

SMALL = """
same = ["side"]
[network]
backbone = "test_resnet"
weights = "none"
[sampling]
n_photos_per_batch = 8
[[losses]]
kind = "arcface"
[[stages]]
name = "all"
n_epochs = 2
side_px = 32
"""


@pytest.fixture(scope="module")
def told(drawn_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one run, of which MLflow knows."""
    runs = tmp_path_factory.mktemp("runs")
    photos = resight.read_catalogue(drawn_photos)
    train_network(photos, run=runs / "one", recipe=TrainRecipe.parse(SMALL), name="told", mlflow=str(runs))
    return runs


def test_mlflow_knows_what_the_folder_holds(told):
    from mlflow import MlflowClient

    record = read_run(told / "one")
    client = MlflowClient(record["mlflow"]["address"])
    run = client.get_run(record["mlflow"]["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["recipe.network.backbone"] == "test_resnet"
    figures = read_figures(told / "one")
    last = dict(zip(figures["name"], figures["value"], strict=True))
    assert run.data.metrics["OSCR"] == pytest.approx(last["OSCR"])
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "bundle", "figures.csv", "confusion.csv"} <= names


def test_the_page_of_a_run_shows_what_it_was(told):
    page = (told / "one" / "report.html").read_text(encoding="utf-8")
    for said in ("photos learned from", "Who was looked at", "Who was taken for whom", "What the network sees"):
        assert said in page
    assert '="http' not in page
    result = json.loads((told / "one" / "run.json").read_text())["result"]
    assert result["model"] == resight.Bundle.load(told / "one" / "bundle").model_id
    assert result["memory_mb"] > 0


SPACE = """
[[parameters]]
kind = "choice"
key = "stages.0.frozen"
choices = [0.0, 1.0]
"""


def test_a_trial_that_is_paused_goes_on(mine, tmp_path, monkeypatch):
    keep, n_made = Run._keep, []

    def paused(self, now):
        keep(self, now)
        raise KeyboardInterrupt

    def made(self, *args):
        n_made.append(1)
        return make(self, *args)

    asked = {"recipe": TrainRecipe.parse(SMALL), "run": tmp_path / "tuned", "n_trials": 1, "seed": 1}
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_keep", paused)
        with pytest.raises(KeyboardInterrupt):
            tune_network(mine, SpaceRecipe.parse(SPACE), **asked)
    trial = tmp_path / "tuned" / "trials" / "trial-001"
    assert list((trial / "checkpoints").iterdir())
    make = Loop._make
    monkeypatch.setattr(Loop, "_make", made)
    tune_network(mine, SpaceRecipe.parse(SPACE), **asked)
    n_steps = max(read_figures(trial)["step"])
    assert len(n_made) == n_steps // 2  # the first of two epochs is not made again
    assert not (trial / "checkpoints").exists()


def test_a_trial_that_fails_leaves_no_checkpoints(mine, tmp_path, monkeypatch):
    make = Loop._make

    def broken(self, step, pixels, at):
        make(self, step, pixels, at)
        if at.epoch == 1:
            raise NotFittedError("expected a finite loss, found none")

    monkeypatch.setattr(Loop, "_make", broken)
    with pytest.warns(UserWarning, match="trial 1 failed"):
        tune_network(mine, SpaceRecipe.parse(SPACE), recipe=TrainRecipe.parse(SMALL), run=tmp_path, n_trials=1)
    assert not (tmp_path / "trials" / "trial-001" / "checkpoints").exists()


def test_tuning_trains_and_the_best_recipe_can_be_trained(mine, tmp_path):
    recipe = TrainRecipe.parse(SMALL)
    found = tune_network(mine, SpaceRecipe.parse(SPACE), recipe=recipe, run=tmp_path / "tuned", n_trials=2, seed=1)
    assert len(found.trials) == 2
    best = TrainRecipe.read(tmp_path / "tuned" / "best.toml")
    assert best.stages[0].frozen in (0.0, 1.0)
    rates = []
    for place in sorted((tmp_path / "tuned" / "trials").iterdir()):
        figures = read_figures(place)
        rates.append(max(figures.filter(figures["name"] == "OSCR")["value"]))
        assert not (place / "bundle").exists()
        assert not (place / "checkpoints").exists()
    assert max(rates) == pytest.approx(max(trial.value for trial in found.trials))
    everyone = TrainRecipe.parse(SMALL + "[hold_out]\nn_parts = 0\n")
    with pytest.raises(ConfigError, match="n_parts = 0"):
        tune_network(mine, SpaceRecipe.parse(SPACE), recipe=everyone, run=tmp_path / "other", n_trials=1)
