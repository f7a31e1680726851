"""Networks trained from end to end: recipes that ship, runs that are killed, several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import resight
from resight.config import TrainRecipe
from resight.config.overrides import overridden
from resight.core import Catalogue
from resight.errors import ConfigError, InputError, MismatchError, NotFittedError, UnknownNameError
from resight.pipeline import calibrate_catalogue, evaluate_catalogue
from resight.store import CatalogueStore
from resight.train import train_network
from resight.train.networks.loop import Loop
from resight.train.tracking import read_figures, read_timings

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
[loop]
n_checkpoints_per_epoch = 2
"""


def small(**settings: object) -> TrainRecipe:
    return overridden(TrainRecipe.parse(SMALL), {key.replace("__", "."): value for key, value in settings.items()})


def quick(name: str) -> TrainRecipe:
    """A recipe that ships, its stages and losses as they are, on a tiny network and few photos."""
    recipe = TrainRecipe.read(name)
    settings: dict[str, object] = {
        "network.backbone": "test_resnet",
        "network.weights": "none",
        "network.n_dimensions": 16,
        "sampling.n_photos_per_batch": 8,
        "hold_out.n_parts": 3,
    }
    for number, stage in enumerate(recipe.stages):
        settings |= {f"stages.{number}.n_epochs": 1, f"stages.{number}.side_px": 32}
        settings[f"stages.{number}.min_photos"] = min(stage.min_photos, 3)
    return overridden(recipe, settings)


@pytest.fixture(scope="module")
def photos(drawn_photos: Path) -> Catalogue:
    found = resight.read_catalogue(drawn_photos)
    n = len(found)
    marks = [row % 5 == 0 for row in range(n)]
    species = [["kudu", "eland"][row % 2] for row in pl.Series(found.frame["identity"]).rank("dense").fill_null(0)]
    frame = found.frame.with_columns(is_synthetic=pl.Series(marks), species=pl.Series(species, dtype=pl.String))
    return Catalogue(frame, found.root)


@pytest.mark.parametrize("name", ["individuals", "humpback", "happywhale", "faces", "landmarks"])
def test_a_recipe_that_ships_ends_in_a_bundle(name, photos, tmp_path):
    recipe = quick(name)
    found = train_network(photos, run=tmp_path / "run", recipe=recipe, name=name)
    assert found.bundle is not None
    bundle = resight.Bundle.load(found.bundle)
    assert bundle.info.dimension == 16
    assert bundle.info.learned is not None
    assert TrainRecipe.model_validate(bundle.info.learned.recipe, strict=False) == recipe
    assert set(found.figures) == {"OSCR", "top-1", "AUROC"}
    told = read_figures(tmp_path / "run")
    assert set(told["stage"]) == {stage.name for stage in recipe.stages}
    assert {f"loss {loss.title}" for loss in recipe.losses} <= set(told["name"])
    assert np.isfinite(told["value"].to_numpy()).all()


def test_a_catalogue_on_disk_gets_the_vectors(mine, tmp_path):
    found = train_network(mine, run=tmp_path / "run", recipe=small(), name="mine")
    store = CatalogueStore.open(mine)
    assert found.n_vectors == len(store.embeddings(found.model)) == len(store.catalogue())
    point = calibrate_catalogue(mine, "fpir=0.2", model=found.bundle)
    assert any("The model was trained on" in note for note in point.notes)
    assert any("The model was trained on" in note for note in evaluate_catalogue(mine, model=found.bundle).notes)
    assert not any("The model was trained on" in note for note in calibrate_catalogue(mine, "fpir=0.2").notes)
    assert [d.query for d in resight.Identifier.open(mine, model=found.bundle).identify(store.catalogue())]


def test_what_an_epoch_took_is_told(photos, tmp_path, monkeypatch):
    make = Loop._make

    def slow(self, *args):
        time.sleep(0.02)
        make(self, *args)

    monkeypatch.setattr(Loop, "_make", slow)
    found = train_network(photos, run=tmp_path / "run", recipe=small(), export=False)
    told = read_timings(tmp_path / "run")
    assert told["name"].to_list() == ["training s", "photos per second", "judging s"] * 2
    assert told["epoch"].to_list() == [1] * 3 + [2] * 3
    n_steps = found.n_steps // 2
    assert told["step"].to_list() == [n_steps] * 3 + [2 * n_steps] * 3
    for training_s, rate, judging_s in told["value"].to_numpy().reshape(2, 3):
        assert 0.02 * n_steps < training_s < found.seconds
        assert rate == pytest.approx(8 * n_steps / training_s)  # a batch holds 8
        assert 0 < judging_s < found.seconds


def test_the_same_seed_gives_the_same_bundle_and_another_another(photos, tmp_path):
    first, again, other = (
        train_network(photos, run=tmp_path / str(number), recipe=small(), seed=seed)
        for number, seed in enumerate((0, 0, 1))
    )
    assert first.model == again.model != other.model


def killed_then(script: str, folder: Path) -> None:
    """Run a script that is to kill itself."""
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]


KILLS_ITSELF = """
import os, signal, sys
from pathlib import Path
import resight
from resight.config import TrainRecipe
from resight.train import train_network
from resight.train.networks.loop import Loop

make, n_made = Loop._make, 0

def counted(self, *args):
    global n_made
    n_made += 1
    if n_made == AT:
        os.kill(os.getpid(), signal.SIGKILL)
    make(self, *args)

Loop._make = counted
recipe = TrainRecipe.read(sys.argv[1] + "/recipe.toml")
train_network(resight.read_catalogue(PHOTOS), run=sys.argv[1] + "/run", recipe=recipe, seed=3)
"""


@pytest.mark.parametrize("at", [2, 6])
def test_a_killed_run_goes_on_to_the_same_weights(at, drawn_photos, tmp_path):
    recipe = overridden(
        TrainRecipe.parse(SMALL + "ema = 0.9\n[[losses]]\nkind = 'softmax'\nof = 'side'\n"),
        {"network.dropout": 0.2, "stages.0.n_epochs": 2},
    )
    recipe = TrainRecipe.parse(recipe.to_toml() + "\n[[stages]]\nname = 'more'\nn_epochs = 1\nside_px = 48\n")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    script = KILLS_ITSELF.replace("AT:", f"{at}:").replace("PHOTOS", repr(str(drawn_photos)))
    killed_then(script, tmp_path)
    photos = resight.read_catalogue(drawn_photos)
    whole = train_network(photos, run=tmp_path / "whole", recipe=recipe, seed=3)
    resumed = train_network(photos, run=tmp_path / "run", recipe=recipe, seed=3)
    assert resumed.model == whole.model
    assert resumed.n_steps == whole.n_steps
    assert read_figures(tmp_path / "run").equals(read_figures(tmp_path / "whole"))
    took, undisturbed = read_timings(tmp_path / "run"), read_timings(tmp_path / "whole")
    assert took.drop("value").equals(undisturbed.drop("value"))  # no line twice
    with pytest.raises(InputError, match="expected a new folder for the run, found a finished one"):
        train_network(photos, run=tmp_path / "run", recipe=recipe, seed=3)


def test_a_folder_goes_on_with_what_it_began_with(photos, tmp_path):
    stopped = train_network(photos, run=tmp_path / "run", recipe=small(), on_judged=lambda *_: True)
    assert stopped.bundle is None
    assert len(stopped.rates) == 1
    with pytest.raises(MismatchError, match="found other seed"):
        train_network(photos, run=tmp_path / "run", recipe=small(), seed=5)
    with pytest.raises(MismatchError, match="found other recipe"):
        train_network(photos, run=tmp_path / "run", recipe=small(stages__0__n_epochs=3))
    assert train_network(photos, run=tmp_path / "run", recipe=small()).bundle is not None


IN_PARTS = """
import sys
import resight
from resight.config import TrainRecipe
from resight.train import train_network

found = train_network(
    resight.read_catalogue(sys.argv[1]), run=sys.argv[3], recipe=TrainRecipe.read(sys.argv[2]), export=False
)
"""


@pytest.mark.parametrize("loss", ["arcface", "supcon", "triplet"])
def test_two_processes_learn_what_one_does(loss, drawn_photos, tmp_path):
    recipe = overridden(
        TrainRecipe.parse(SMALL),
        {
            "network.backbone": "test_vit",  # without batch norms, which see the photos of one process
            "network.neck": "none",
            "losses.0": {"kind": loss},
            "stages.0.n_epochs": 1,
            "hold_out.n_parts": 3,
        },
    )
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    (tmp_path / "train.py").write_text(IN_PARTS)
    arguments = [str(tmp_path / "train.py"), str(drawn_photos), str(tmp_path / "recipe.toml")]
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    for command in ([sys.executable, *arguments, str(tmp_path / "one")], [*launch, *arguments, str(tmp_path / "two")]):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=alone)
        assert ended.returncode == 0, ended.stderr[-3000:]
    one, two = read_figures(tmp_path / "one"), read_figures(tmp_path / "two")
    assert one.drop("value").equals(two.drop("value"))
    np.testing.assert_allclose(one["value"], two["value"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"network__backbone": "resnet1800"}, UnknownNameError, "resnet18"),
        ({"network__pooling": "cls"}, ConfigError, "expected a transformer with a first token"),
        ({"losses__0": {"kind": "softmax", "of": "colour"}}, UnknownNameError, "colour"),
        ({"stages__0__min_photos": 500}, NotFittedError, "expected at least 2 individuals in stage 'all', found 0"),
        ({"stages__0__learning_rate": 1e30, "loop__clip": 0.0}, NotFittedError, "expected a finite loss"),
    ],
)
def test_what_cannot_be_is_a_sentence(settings, error, said, photos, tmp_path):
    with pytest.raises(error, match=said):
        train_network(photos, run=tmp_path / "run", recipe=small(**settings))


def test_a_module_from_python_learns_too(photos, tmp_path):
    import torch

    torch.manual_seed(0)
    mine = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 12, 3, stride=2))
    found = train_network(photos, run=tmp_path / "run", recipe=small(), backbone=mine)
    assert resight.Bundle.load(found.bundle).info.dimension == 12
    assert json.loads((found.bundle / "model.json").read_text())["licence"] == "unknown"
