"""Trainings that are asked for what cannot be, are killed at odd places, or meet another one in their folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import resight
from resight.config import LossOptions, TrainRecipe
from resight.config.overrides import overridden
from resight.core import Catalogue
from resight.errors import ConfigError, ImageError, InputError, MismatchError
from resight.train import train_network
from resight.train.judging import MEASURES, Judged
from resight.train.networks.judge import HoldOut
from resight.train.networks.kept import copied
from resight.train.networks.loop import Loop, Position
from resight.train.networks.losses import Criterion
from resight.train.networks.roster import roster_of
from resight.train.networks.run import Run
from resight.train.tracking import read_run

SMALL = """
same = ["side"]
[network]
backbone = "test_resnet"
weights = "none"
[sampling]
n_photos_per_batch = 16
[[losses]]
kind = "arcface"
[[stages]]
name = "all"
n_epochs = 2
side_px = 32
"""


def small(**settings: object) -> TrainRecipe:
    return overridden(TrainRecipe.parse(SMALL), {key.replace("__", "."): value for key, value in settings.items()})


@pytest.fixture
def photos(drawn_photos: Path, tmp_path: Path) -> Catalogue:
    return resight.read_catalogue(shutil.copytree(drawn_photos, tmp_path / "photos"))


class Killed(BaseException):
    """Stands for what ends a process."""


@pytest.fixture
def killed(monkeypatch):
    """Trains until the first checkpoint is kept."""

    def begin(photos: Catalogue, run: Path, recipe: TrainRecipe) -> None:
        keep = Run._keep

        def once(self, now):
            keep(self, now)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Run, "_keep", once)
            with pytest.raises(Killed):
                train_network(photos, run=run, recipe=recipe, export=False)

    return begin


@pytest.mark.parametrize("kind", ["triplet", "supcon", "contrastive"])
def test_a_run_whose_losses_hold_nothing_goes_on(kind, photos, killed, tmp_path):
    recipe = small(losses=[{"kind": kind}])
    killed(photos, tmp_path / "run", recipe)
    assert train_network(photos, run=tmp_path / "run", recipe=recipe, export=False).n_steps == 4


def test_a_run_does_not_go_on_with_other_photos(photos, killed, tmp_path):
    killed(photos, tmp_path / "run", small())
    (photos.root / photos.frame["path"][0]).write_bytes(b"no photo")
    with pytest.raises(MismatchError, match="found that others can be read now"):
        train_network(photos, run=tmp_path / "run", recipe=small(), export=False)


def test_each_network_is_judged_once(photos, killed, monkeypatch, tmp_path):
    judge, n_judged = HoldOut.judged, 0

    def counted(self, vectors):
        nonlocal n_judged
        n_judged += 1
        return judge(self, vectors)

    monkeypatch.setattr(HoldOut, "judged", counted)
    whole = train_network(photos, run=tmp_path / "whole", recipe=small(), export=False)
    assert n_judged == 3  # before the first step, and after each of two epochs
    killed(photos, tmp_path / "run", small())
    n_judged = 0
    resumed = train_network(photos, run=tmp_path / "run", recipe=small(), export=False)
    assert n_judged == 1
    for of in ("figures", "baseline", "gains", "rates"):
        assert getattr(resumed, of) == getattr(whole, of)
    assert whole.figures["OSCR"].value == max(whole.rates)


def test_losses_are_those_of_the_best_network(photos, monkeypatch, tmp_path):
    judge, make, go = Run._judge, Run._learner, Run.go
    begun, judged, runs = [], [], []

    def worse_and_worse(*_):
        return Judged(np.array(["ann", "bob"]), {name: np.full(2, 1 / (2 + len(judged))) for name in MEASURES})

    def judging(self, stage, looks, criteria, mean):
        judge(self, stage, looks, criteria, mean)
        judged.append((copied(self.network), copied(criteria)))

    def making(self, *args):
        made = make(self, *args)
        begun.append((copied(self.network), copied(made.criteria)))
        return made

    def going(self, rewind):
        runs.append(self)
        go(self, rewind)

    monkeypatch.setattr(Run, "judged", worse_and_worse)
    monkeypatch.setattr(Run, "_judge", judging)
    monkeypatch.setattr(Run, "_learner", making)
    monkeypatch.setattr(Run, "go", going)
    stages = [{"name": name, "n_epochs": 2, "side_px": 32} for name in ("one", "two")]
    train_network(photos, run=tmp_path / "run", recipe=small(stages=stages), export=False)
    (run,) = runs
    ended = (
        copied(run.network),
        {f"{name}.{key}": of for name, one in run.criteria.items() for key, of in copied(one).items()},
    )
    for found, best, last in ((begun[1], judged[0], judged[1]), (ended, judged[2], judged[3])):
        for part, of_best, of_last in zip(found, best, last, strict=True):
            assert all(torch.equal(part[name], of_best[name]) for name in part)
            assert not all(torch.equal(part[name], of_last[name]) for name in part)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_photo_that_is_lost_while_learning_is_a_sentence(n_workers, photos, monkeypatch, tmp_path):
    epoch = Loop.epoch

    def lost(self, *args, **kwargs):
        for path in photos.frame["path"]:
            (photos.root / path).write_bytes(b"no photo")
        epoch(self, *args, **kwargs)

    monkeypatch.setattr(Loop, "epoch", lost)
    recipe = small(photos__cache_mb=0, loop__n_workers=n_workers)
    with pytest.raises(ImageError, match="could be read before; bring it back, and the same command goes on"):
        train_network(photos, run=tmp_path / "run", recipe=recipe, export=False)
    record = read_run(tmp_path / "run")
    assert record["state"] == "failed"
    assert "\n" not in record["error"]


def test_what_lies_in_the_folder_of_a_run_is_left_alone(photos, tmp_path):
    mine = tmp_path / "run" / "bundles" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match="expected a new folder for the run, found 'bundles'"):
        train_network(photos, run=tmp_path / "run", recipe=small())
    assert mine.read_text() == "mine"


def test_a_file_is_no_folder_of_a_run(photos, tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(InputError, match="expected a folder for the run, found a file"):
        train_network(photos, run=tmp_path / "run", recipe=small())
    with pytest.raises(InputError, match="expected to write to"):
        train_network(photos, run=tmp_path / "run" / "first", recipe=small())


def test_two_trainings_in_one_folder_are_refused(photos, tmp_path):
    said = []

    def second(*_: object) -> bool:
        with pytest.raises(InputError, match="found another one that trains in it") as refused:
            train_network(photos, run=tmp_path / "run", recipe=small(), export=False)
        said.append(str(refused.value))
        return True

    train_network(photos, run=tmp_path / "run", recipe=small(), export=False, on_judged=second)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        (
            {
                "losses": [{"kind": "triplet"}],
                "network__neck": "none",
                "network__pooling": "average",
                "stages__0__frozen": 1.0,
            },
            {},
            "expected weights that learn in stage 'all'",
        ),
        ({}, {"seed": -1}, "expected a seed of at least 0"),
        ({"same": ["identity"]}, {}, "expected columns other than 'identity' in same"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(settings, arguments, said, photos, tmp_path):
    with pytest.raises(ConfigError, match=said):
        train_network(photos, run=tmp_path / "run", recipe=small(**settings), export=False, **arguments)


def test_a_column_named_twice_is_a_sentence(photos, tmp_path):
    twice = small().model_copy(update={"same": ("side", "side")})  # as the command line does
    with pytest.raises(ConfigError, match="each once, found side, side"):
        train_network(photos, run=tmp_path / "run", recipe=twice)


def test_pseudo_labels_without_strangers_are_said_to_do_nothing(photos, tmp_path):
    stages = [{"name": "all", "n_epochs": 1, "side_px": 32}]
    stages.append({**stages[0], "name": "more", "pseudo_labels": True})
    found = train_network(photos, run=tmp_path / "run", recipe=small(stages=stages, hold_out__n_parts=0), export=False)
    assert any("pseudo_labels need strangers" in note for note in found.notes)


def test_patience_is_counted_in_epochs(photos, monkeypatch, tmp_path):
    monkeypatch.setattr(Position, "__setattr__", _never_better)
    recipe = small(loop__patience=2, hold_out__every=2, stages__0__n_epochs=8)
    found = train_network(photos, run=tmp_path / "run", recipe=recipe, export=False)
    assert len(found.rates) == 1


def _never_better(position: Position, name: str, value: object) -> None:
    object.__setattr__(position, name, 1.0 if name == "best" else value)


def test_a_mirrored_rare_photo_is_a_rare_one(photos):
    rows = [("ann", "left")] + [("ann", "right")] * 3 + [("bob", "left"), ("cid", "left")] + [("dan", "left")] * 3
    frame = photos.frame[: len(rows)].with_columns(
        identity=pl.Series([name for name, _ in rows]), side=pl.Series([side for _, side in rows])
    )
    recipe = small(
        sampling__rare="together", sampling__rare_below=2, photos__mirror="other-side", sampling__n_photos_per_batch=8
    )
    drawn = Catalogue(frame, photos.root)
    roster = roster_of(drawn, np.arange(len(rows)), [name for name, _ in rows], recipe, recipe.stages[0])
    of = roster.individuals
    seen = {of.names[one]: of.names[other] for one, other in enumerate(of.mirrored)}
    assert seen["(rare)"] == "(rare)"
    assert seen["dan left"] == "dan left (mirrored)"
    assert seen["dan left (mirrored)"] == "dan left"
    assert seen["ann right"] == "ann right (mirrored)"


def test_a_batch_of_unknown_classes_gives_every_weight_a_slope():
    options: LossOptions = TrainRecipe.parse(SMALL.replace("arcface", "softmax")).losses[0]
    criterion = Criterion(options, np.array([2, 2]), 4, np.ones(2, np.float32))
    criterion(torch.ones(3, 4), torch.full((3,), -1)).backward()
    assert all(weight.grad is not None for weight in criterion.parameters())
