"""The parts of a training: photos on their shelf, checkpoints, rates, who moves at what rate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from resight.config import LoopOptions, NetworkOptions, PhotoOptions, StageOptions, TrainRecipe
from resight.config.overrides import overridden
from resight.core import Catalogue
from resight.errors import ConfigError, InputError, StoreError, UnknownNameError
from resight.train.networks.backbones import body
from resight.train.networks.checkpoint import (
    last_checkpoint,
    load_checkpoint,
    optimiser_state,
    restore_optimiser,
    save_checkpoint,
)
from resight.train.networks.loop import Mean
from resight.train.networks.network import GeneralisedMean, Learner, Network, freeze
from resight.train.networks.photos import PhotoShelf
from resight.train.networks.roster import roster_of
from resight.train.networks.stages import Schedule, n_steps_of_stage, optimiser_for, steps_of_epoch

TINY = NetworkOptions(backbone="test_resnet", weights="none")


def drawn(folder: Path, **columns) -> Catalogue:
    """Three photos of 60 by 40 pixels: the left half dark, the right half bright."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 200
    names = [f"{name}.png" for name in "abc"]
    for name in names:
        Image.fromarray(pixels).save(folder / name)
    return Catalogue(pl.DataFrame({"image_id": names, "path": names, "identity": ["x", "x", "y"], **columns}), folder)


def test_photos_are_cut_and_kept_small(tmp_path):
    photos = drawn(tmp_path, box=[[30.0, 0.0, 30.0, 40.0], None, None])
    shelf = PhotoShelf(photos, PhotoOptions(), 10)
    assert shelf.read_all() == []
    assert shelf.photo(0).shape == (16, 12, 3)
    assert shelf.photo(0).min() > 190
    assert shelf.photo(1).shape == (12, 18, 3)
    assert shelf.photo(1) is shelf.photo(1)


def test_without_memory_photos_are_read_again(tmp_path):
    shelf = PhotoShelf(drawn(tmp_path), PhotoOptions(cache_mb=0), 10)
    assert shelf.read_all() == []
    assert shelf.photo(1) is not shelf.photo(1)
    np.testing.assert_array_equal(shelf.photo(1), shelf.photo(1))


def test_one_of_several_boxes_is_drawn(tmp_path):
    boxes = {"box": [[0.0, 0.0, 30.0, 40.0]] * 3, "by_hand": ["30 0 30 40", None, "[30, 0, 30, 40]"]}
    shelf = PhotoShelf(drawn(tmp_path, **boxes), PhotoOptions(boxes=("box", "by_hand")), 10)
    assert [int(shelf.photo(0, draw).mean()) for draw in range(3)] == [0, 200, 0]
    assert [int(shelf.photo(1, draw).mean()) for draw in range(2)] == [0, 0]


def test_boxes_that_are_none_are_a_sentence(tmp_path):
    with pytest.raises(InputError, match="expected boxes as x, y, width, height in column 'by_hand'"):
        PhotoShelf(drawn(tmp_path, by_hand=["1 2 3", None, "here"]), PhotoOptions(boxes=("by_hand",)), 10)


def test_a_column_of_boxes_that_there_is_not_is_told(tmp_path):
    with pytest.raises(UnknownNameError, match="by_hand"):
        PhotoShelf(drawn(tmp_path, by_hand=[None] * 3), PhotoOptions(boxes=("by_hnd",)), 10)


def test_a_photo_that_cannot_be_read_is_listed(tmp_path):
    photos = drawn(tmp_path)
    (tmp_path / "b.png").write_bytes(b"no photo")
    failures = PhotoShelf(photos, PhotoOptions(), 10).read_all()
    assert [one.image_id for one in failures] == ["b.png"]


def test_checkpoints_come_back_and_older_ones_go(tmp_path):
    weights = {"a": torch.arange(3.0), "b": torch.tensor(5)}
    save_checkpoint(tmp_path, 3, {"network": {"a": torch.zeros(3)}}, {"step": 3})
    save_checkpoint(tmp_path, 12, {"network": weights, "best": {"a": torch.ones(1)}}, {"step": 12, "best": -np.inf})
    assert [one.name for one in tmp_path.iterdir()] == ["0000000012"]
    tensors, state = load_checkpoint(last_checkpoint(tmp_path))
    assert state == {"step": 12, "best": -np.inf}
    assert torch.equal(tensors["network"]["a"], weights["a"])
    assert int(tensors["network"]["b"]) == 5
    assert list(tensors["best"]) == ["a"]


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path):
    (tmp_path / ".draft").mkdir()
    assert last_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, 1, {"network": {"a": torch.ones(1)}}, {})
    (tmp_path / "0000000001" / "tensors.safetensors").write_bytes(b"half")
    with pytest.raises(StoreError, match="expected a whole checkpoint"):
        load_checkpoint(last_checkpoint(tmp_path))


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimiser_goes_on_as_if_nothing_had_been(kind, tmp_path):
    def made() -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
        weight = torch.nn.Parameter(torch.ones(4))
        return weight, kind([weight], lr=0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))

    def step(weight, optimiser):
        optimiser.zero_grad()
        (weight**2 * torch.arange(4)).sum().backward()
        optimiser.step()

    whole, optimiser = made()
    for _ in range(2):
        step(whole, optimiser)
    save_checkpoint(tmp_path, 1, {"optimiser": optimiser_state(optimiser)}, {})
    again, other = made()
    again.data.copy_(whole.data)
    restore_optimiser(other, load_checkpoint(last_checkpoint(tmp_path))[0]["optimiser"])
    step(whole, optimiser)
    step(again, other)
    assert torch.equal(whole, again)


def test_rates_rise_and_fall():
    schedule = Schedule(StageOptions(name="one", warm_up=0.2, learning_rate=0.1), 10)
    shares = [schedule.share(step) for step in range(10)]
    assert shares[:2] == [0.5, 1.0]
    assert shares[2] == 1.0
    assert shares == sorted(shares[:2]) + sorted(shares[2:], reverse=True)
    assert 0 < shares[-1] < 0.1
    constant = Schedule(StageOptions(name="one", warm_up=0, schedule="constant"), 10)
    assert {constant.share(step) for step in range(10)} == {1.0}


def test_the_body_moves_at_its_own_rate_and_norms_do_not_decay():
    network = Network(body(TINY, 32), TINY)
    optimiser = optimiser_for(Learner(network, {}), StageOptions(name="one"), LoopOptions(weight_decay=0.1))
    inside = {id(weight) for weight in network.body.parameters()}
    n_seen = 0
    for group in optimiser.param_groups:
        for weight in group["params"]:
            n_seen += 1
            assert group["highest"] == (0.0003 if id(weight) in inside else 0.001)
            assert group["weight_decay"] == (0.1 if weight.ndim > 1 else 0.0)
    assert n_seen == len(list(network.parameters()))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_layers_stays_as_it_is(share):
    made = body(TINY, 32)
    freeze(made.layers, share)
    frozen = [not any(weight.requires_grad for weight in layer) for layer in made.layers]
    assert sum(frozen) == round(share * len(frozen))
    assert frozen == sorted(frozen, reverse=True)


def test_the_generalised_mean_lies_between_mean_and_maximum():
    features = torch.rand(2, 3, 4, 4) + 0.1
    torch.testing.assert_close(GeneralisedMean(1.0)(features), features.mean((2, 3)))
    torch.testing.assert_close(GeneralisedMean(200.0)(features), features.amax((2, 3)), rtol=0.02, atol=0)
    between = GeneralisedMean(3.0)(features)
    assert (between > features.mean((2, 3))).all()
    assert (between < features.amax((2, 3))).all()


@pytest.mark.parametrize("pooling", ["gem", "average", "cls"])
def test_tokens_are_pooled_without_the_first_or_by_it_alone(pooling):
    options = NetworkOptions(backbone="test_vit", weights="none", pooling=pooling, neck="none")
    network = Network(body(options, 32), options).eval()
    with torch.no_grad():
        pixels = torch.randn(2, 3, 32, 32)
        tokens = network.body(pixels)
        found = network(pixels)
    if pooling == "cls":
        torch.testing.assert_close(found, tokens[:, 0])
    if pooling == "average":
        torch.testing.assert_close(found, tokens[:, 1:].mean(1))


def test_a_map_has_no_first_token():
    with pytest.raises(ConfigError, match="expected a transformer with a first token"):
        Network(body(TINY, 32), TINY.model_copy(update={"pooling": "cls"}))


def test_the_running_mean_forgets_quickly_at_first():
    network = Network(body(TINY, 32), TINY)
    mean = Mean(network, 0.9)
    for value in (1.0, 2.0, 3.0):
        with torch.no_grad():
            network.neck.weight.fill_(value)
        mean.update(network)
    expected = 1.0  # the first one is taken as it is
    for n, value in ((1, 2.0), (2, 3.0)):
        keep = min(0.9, (1 + n) / (10 + n))
        expected += (1 - keep) * (value - expected)
    torch.testing.assert_close(mean.network.neck.weight, torch.full_like(network.neck.weight, expected))


def test_an_epoch_shared_by_processes_is_the_epoch_of_one(tmp_path):
    photos = drawn(tmp_path)
    recipe = overridden(TrainRecipe(), {"sampling.n_photos_per_batch": 4, "photos.mirror": "other"})
    roster = roster_of(photos, np.arange(3), ["x", "x", "y"], recipe, recipe.stages[0])

    def looks(rank: int, n: int, epoch: int = 0):
        steps = steps_of_epoch(roster, recipe, seed=1, stage=0, epoch=epoch, rank=rank, n_processes=n)
        return [
            (*look, int(code))
            for step in steps
            for batch in step
            for look, code in zip(batch.looks, batch.classes["arcface"], strict=True)
        ]

    whole = looks(0, 1)
    shared = [looks(rank, 2) for rank in range(2)]
    assert [one for pair in zip(*shared, strict=True) for one in pair] == whole
    assert looks(0, 1, epoch=1) != whole
    names = ["x", "x", "y"]
    for row, _, mirrored, code in looks(0, 1, epoch=3) + whole:
        assert code == {"x": 0, "y": 1}[names[row]] + 2 * mirrored


def test_batches_are_summed_to_steps(tmp_path):
    settings = {"sampling.n_photos_per_batch": 2, "sampling.n_accumulated": 2, "sampling.at_least": 4}
    recipe = overridden(TrainRecipe(), settings)
    roster = roster_of(drawn(tmp_path), np.arange(3), ["x", "x", "y"], recipe, recipe.stages[0])
    steps = list(steps_of_epoch(roster, recipe, seed=1, stage=0, epoch=0))
    assert {len(step) for step in steps[:-1]} == {2}
    assert json.dumps([len(batch.looks) for step in steps for batch in step]).count("2") == sum(map(len, steps))


@pytest.mark.parametrize(
    ("settings", "is_even"),
    [({}, True), ({"balance": 1.0, "at_least": 3}, False), ({"how": "classes", "at_least": 3}, True)],
)
def test_all_steps_of_a_stage_are_counted(settings, is_even, tmp_path):
    names = ["x"] * 9 + ["y"] * 3 + ["z"] * 2 + ["w"]
    photos = Catalogue(
        pl.DataFrame(
            {"image_id": [f"{n}.png" for n in range(15)], "path": [f"{n}.png" for n in range(15)], "identity": names}
        ),
        tmp_path,
    )
    sampling = {"n_photos_per_batch": 2, "n_accumulated": 2, **settings}
    recipe = overridden(
        TrainRecipe(), {"stages.0.n_epochs": 8, **{f"sampling.{key}": of for key, of in sampling.items()}}
    )
    roster = roster_of(photos, np.arange(15), names, recipe, recipe.stages[0])
    lengths = [len(list(steps_of_epoch(roster, recipe, seed=5, stage=0, epoch=epoch))) for epoch in range(8)]
    assert (len(set(lengths)) == 1) == is_even
    assert n_steps_of_stage(roster, recipe, seed=5, stage=0) == sum(lengths)
