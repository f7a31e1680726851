"""Tuning of networks: each trial trains one with some keys of its recipe set anew, and is judged by its strangers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from resight.config import SpaceRecipe, TrainRecipe, overridden
from resight.errors import ConfigError, NotFittedError
from resight.train.tracking import read_run
from resight.train.tracking.files import CHECKPOINTS, RUN
from resight.train.tuning import Report, Tuning, tune

__all__ = ["tune_network"]

_TRIALS = "trials"


def tune_network(
    folder: str | Path,
    space: SpaceRecipe | None = None,
    *,
    recipe: TrainRecipe | None = None,
    run: str | Path,
    n_trials: int = 30,
    seed: int = 0,
    timeout_s: float | None = None,
    pruning: bool = True,
) -> Tuning:
    """Search for the settings of a network that tell known individuals from strangers best.

    Each trial trains a network in a folder of its own in `trials` of the run's. It is worth its open-set classification
    rate on the individuals and encounters that its recipe holds back, the same for all trials. No bundle is written:
    `train_network` makes one of `best.toml`.

    Args:
        folder: the catalogue.
        space: what may be changed; default: the one that ships.
        recipe: what is changed; default: the one that ships.
        run: folder of the study. One that was begun goes on.
        n_trials: in total.
        seed: of what is drawn, and of each training.
        timeout_s: no trial begins after so many seconds.
        pruning: whether trials that fall behind are stopped.

    Raises:
        MissingExtraError: when Optuna or torch is absent.
        ConfigError: when the recipe does not take what the space holds, or holds nobody back.
        MismatchError: when the study in the folder was begun with something else.
        InputError: as for `tune` and `train_network`.

    Example:
        >>> print(tune_network("mine", run="tuned", n_trials=20))  # doctest: +SKIP
    """
    asked = TrainRecipe.default() if recipe is None else recipe
    searched = SpaceRecipe.default() if space is None else space
    trials = Path(run) / _TRIALS

    def worth(settings: dict[str, Any], report: Report) -> float:
        return _trained(Path(folder), overridden(asked, settings), trials, seed, report)

    return tune(
        worth,
        _judged(searched, asked),
        run,
        n_trials=n_trials,
        seed=seed,
        timeout_s=timeout_s,
        pruning=pruning,
        recipe=asked,
        measure="OSCR",
        about={"catalogue": str(Path(folder).resolve()), "seed": str(seed)},
    )


def _trained(folder: Path, recipe: TrainRecipe, trials: Path, seed: int, report: Report) -> float:
    """Train and judge one network; it stops when the report says that others did better."""
    from resight.train.networks.training import train_network

    name = f"trial-{report.trial:03d}"
    _make_way(trials / name, recipe)
    try:
        found = train_network(
            folder, recipe=recipe, run=trials / name, name=name, seed=seed, on_judged=report, export=False
        )
    except NotFittedError:  # such a trial has failed; one that is interrupted goes on
        _let_go(trials / name)
        raise
    _let_go(trials / name)
    return float(found.best_oscr)


def _let_go(run: Path) -> None:
    """A trial that is over goes on no more: its checkpoints, by far the most of it, are not needed."""
    shutil.rmtree(run / CHECKPOINTS, ignore_errors=True)


def _make_way(run: Path, recipe: TrainRecipe) -> None:
    """A trial that was killed goes on; what its folder holds of another one, or of one that was done, goes."""
    if not (run / RUN).exists():
        return
    before = read_run(run)
    if before["state"] == "finished" or before["parameters"].get("recipe_fingerprint") != recipe.fingerprint:
        shutil.rmtree(run)


def _judged(space: SpaceRecipe, recipe: TrainRecipe) -> SpaceRecipe:
    """The space, where all trials are judged, and by the same individuals."""
    if not recipe.hold_out.n_parts:
        raise ConfigError(
            "expected individuals that are held back to judge trials by, found n_parts = 0 in [hold_out]", key="n_parts"
        )
    changed = [one.key for one in space.parameters if one.key.split(".")[0] == "hold_out"]
    if changed:
        raise ConfigError(
            f"expected a space of what is learned, found '{changed[0]}': trials that are judged by others cannot be "
            "compared",
            key=changed[0],
        )
    return space
