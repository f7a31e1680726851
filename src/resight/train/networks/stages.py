"""A stage made ready: its photos in order, its losses, its optimiser and its rates.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from resight.config import LoopOptions, StageOptions, TrainRecipe
from resight.errors import ConfigError
from resight.train.networks.losses import Criterion
from resight.train.networks.network import Learner
from resight.train.networks.photos import Look
from resight.train.networks.roster import Roster
from resight.train.networks.sampling import class_weights, epoch_batches

__all__ = [
    "Batch",
    "Schedule",
    "batches_of_epoch",
    "criteria_for",
    "n_steps_of_stage",
    "optimiser_for",
    "steps_of_epoch",
]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Looks that are taken together by one process.

    Args:
        looks: at photos of the catalogue.
        classes: name of a loss to the class of each look.
    """

    looks: list[Look]
    classes: Mapping[str, Codes]


def steps_of_epoch(
    roster: Roster, recipe: TrainRecipe, *, seed: int, stage: int, epoch: int, rank: int = 0, n_processes: int = 1
) -> Iterator[list[Batch]]:
    """The steps of an epoch, each of so many batches as are accumulated; of each batch one process's part.

    What an epoch holds follows from the arguments alone.
    """
    batches = batches_of_epoch(roster, recipe, seed=seed, stage=stage, epoch=epoch)
    n_together = recipe.sampling.n_accumulated
    for first in range(0, len(batches), n_together):
        yield [
            _part(roster, recipe, batches[number], (seed, stage, epoch, number), rank, n_processes)
            for number in range(first, min(first + n_together, len(batches)))
        ]


def batches_of_epoch(roster: Roster, recipe: TrainRecipe, *, seed: int, stage: int, epoch: int) -> list[Codes]:
    """The batches of an epoch as numbers of the roster's photos, for all processes together."""
    seed_of_stage = int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])
    return epoch_batches(roster.individuals.codes, roster.encounters, recipe.sampling, seed=seed_of_stage, epoch=epoch)


def n_steps_of_stage(roster: Roster, recipe: TrainRecipe, *, seed: int, stage: int) -> int:
    """All steps of a stage; its epochs differ where `at_least` fills up what `balance` drew."""
    options, n_epochs = recipe.sampling, recipe.stages[stage].n_epochs
    is_uneven = options.how == "balanced" and options.balance > 0 and options.at_least > 0
    n_batches = [
        len(batches_of_epoch(roster, recipe, seed=seed, stage=stage, epoch=epoch))
        for epoch in range(n_epochs if is_uneven else 1)
    ]
    n_steps = [-(-n // options.n_accumulated) for n in n_batches]
    return sum(n_steps) if is_uneven else n_steps[0] * n_epochs


def _part(
    roster: Roster, recipe: TrainRecipe, batch: Codes, place: tuple[int, ...], rank: int, n_processes: int
) -> Batch:
    draws = np.random.SeedSequence(place).generate_state(len(batch), np.uint64)[rank::n_processes]
    members = batch[rank::n_processes]
    mirrored = (draws >> np.uint64(63)).astype(bool) & (recipe.photos.mirror != "no")
    seeds = draws & np.uint64(2**62 - 1)
    looks = [
        Look(int(row), int(seed), bool(flip))
        for row, seed, flip in zip(roster.rows[members], seeds, mirrored, strict=True)
    ]
    classes = {}
    for name, of in roster.classes.items():
        codes = of.codes[members]
        classes[name] = np.where(mirrored & (codes >= 0), of.mirrored[codes], codes)
    return Batch(looks, classes)


def criteria_for(roster: Roster, recipe: TrainRecipe, dimension: int) -> dict[str, Criterion]:
    """The losses of a stage, their centres where chance put them."""
    how = recipe.sampling.class_weights
    found = {}
    for loss in recipe.losses:
        of = roster.classes[loss.title]
        counts = of.counts
        counts = np.where(counts > 0, counts, counts[of.mirrored])  # a mirrored class has as many as its own
        times = None if of.generated is None else np.where(of.generated, recipe.photos.synthetic_weight, 1.0)
        found[loss.title] = Criterion(loss, counts, dimension, class_weights(counts, how, times))
    return found


@dataclass(frozen=True)
class Schedule:
    """How fast is learned, by the share of a stage's steps that are done.

    Args:
        options: of the stage.
        n_steps: of the stage.
    """

    options: StageOptions
    n_steps: int

    def share(self, step: int) -> float:
        """What a step takes of the highest rate, 0 to 1."""
        n_rising = math.ceil(self.options.warm_up * self.n_steps)
        if step < n_rising:
            return (step + 1) / n_rising
        if self.options.schedule == "constant":
            return 1.0
        done = min((step - n_rising) / max(self.n_steps - n_rising, 1), 1.0)
        return 0.5 * (1 + math.cos(math.pi * done))

    def put(self, optimiser: torch.optim.Optimizer, step: int) -> float:
        """Set the rates of all groups for a step; gives that of what stands behind the body."""
        share = self.share(step)
        for group in optimiser.param_groups:
            group["lr"] = share * group["highest"]
        return share * self.options.learning_rate


def optimiser_for(learner: Learner, stage: StageOptions, loop: LoopOptions) -> torch.optim.Optimizer:
    """The optimiser of a stage: the body at its own rate; norms, biases and centres without decay.

    Raises:
        ConfigError: when there is nothing that learns.
    """
    body = {id(weight) for weight in learner.network.body.parameters()}
    centres = {id(weight) for weight in learner.criteria.parameters()}
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for weight in _learning(learner):
        decays = weight.ndim > 1 and id(weight) not in centres
        groups.setdefault((id(weight) in body, decays), []).append(weight)
    if not groups:
        raise ConfigError(
            f"expected weights that learn in stage '{stage.name}', found none: lower  frozen , or let the network have "
            "a neck, a projection or gem",
            key="frozen",
        )
    rates = {True: stage.backbone_learning_rate, False: stage.learning_rate}
    settings = [
        {
            "params": weights,
            "lr": rates[in_body],
            "highest": rates[in_body],
            "weight_decay": loop.weight_decay if decays else 0.0,
        }
        for (in_body, decays), weights in groups.items()
    ]
    if loop.optimiser == "sgd":
        return torch.optim.SGD(settings, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(settings)


def _learning(module: nn.Module) -> Iterator[nn.Parameter]:
    return (weight for weight in module.parameters() if weight.requires_grad)
