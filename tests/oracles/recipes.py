"""Recipes of networks that learn nothing, in a second."""

from __future__ import annotations

from resight.config import TrainRecipe, overridden

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


def small(**settings: object) -> TrainRecipe:
    """The recipe, with keys set anew: `small(stages__0__n_epochs=1)`."""
    return overridden(TrainRecipe.parse(SMALL), {key.replace("__", "."): value for key, value in settings.items()})
