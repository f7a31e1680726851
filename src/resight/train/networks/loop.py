"""The loop: steps, epochs and judgements of a stage, on one page.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from resight.config import LoopOptions
from resight.errors import NotFittedError
from resight.train.networks.network import Network
from resight.train.networks.photos import Looks
from resight.train.networks.stages import Batch, Schedule

__all__ = ["Loop", "Mean", "Position"]

_TOLD_PER_EPOCH = 10


@dataclass
class Position:
    """Where a run stands; all of it lies in a checkpoint.

    Args:
        stage: number of the stage.
        epoch: of the stage; so many are done.
        step: of the epoch; so many are done.
        n_steps: of the whole run that are done, and
        n_steps_of_stage: of this stage.
        seconds: that the steps of this epoch took.
        best: the highest open-set classification rate of this stage, and
        n_since: the judgements since then.
        is_over: whether the stage ended early.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    n_steps: int = 0
    n_steps_of_stage: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    n_since: int = 0
    is_over: bool = False


class Mean:
    """The running mean of a network's weights; it forgets quickly at first.

    Args:
        network: whose.
        keep: share of the mean that each step keeps.
    """

    def __init__(self, network: Network, keep: float) -> None:
        self._keep = keep
        self.model = AveragedModel(network, avg_fn=self._average, use_buffers=True)

    def _average(self, mean: Tensor, now: Tensor, n: Tensor | int) -> Tensor:
        if not mean.is_floating_point():
            return now
        keep = min(self._keep, (1 + int(n)) / (10 + int(n)))
        return mean + (1 - keep) * (now - mean)

    def update(self, network: Network) -> None:
        """Take in the network as it is now."""
        self.model.update_parameters(network)

    @property
    def network(self) -> Network:
        """With the mean weights."""
        return self.model.module  # type: ignore[no-any-return]


@dataclass
class Loop:
    """What makes the steps of a stage.

    Args:
        learner: as `accelerate` prepared it.
        optimiser: as `accelerate` prepared it.
        accelerator: of the run.
        looks: the photos at the stage's resolution.
        schedule: the rates.
        mean: of the weights, if one is kept.
        options: of the loop.
        frozen: share of the body that stays as it is.
        weights: name of a loss to how much it counts.
        seed: of what a network drops.
        tell: takes figures by name, after some steps.
    """

    learner: Any
    optimiser: Any
    accelerator: Any
    looks: Looks
    schedule: Schedule
    mean: Mean | None
    options: LoopOptions
    frozen: float
    weights: Mapping[str, float]
    seed: int
    tell: Callable[[dict[str, float]], None]
    _sums: dict[str, Tensor] = field(default_factory=dict)
    _n_summed: int = 0

    def epoch(
        self, todo: Sequence[list[Batch]], at: Position, *, keep: Callable[[], None], done: Callable[[], None]
    ) -> None:
        """Make the steps of an epoch that are still to do.

        Args:
            todo: all steps of the epoch.
            at: where the run stands; it moves.
            keep: called when a checkpoint is due.
            done: called after each step.

        Raises:
            NotFittedError: when a loss is no number any more.
        """
        left = todo[at.step :]
        pixels = self.looks.batches([batch.looks for step in left for batch in step], self.options.n_workers)
        every = -(-len(todo) // self.options.n_checkpoints_per_epoch)
        self._learn()
        began = time.perf_counter()
        for step in left:
            rate = self.schedule.put(self.optimiser, at.n_steps_of_stage)
            self._make(step, pixels, at)
            at.step, at.n_steps, at.n_steps_of_stage = at.step + 1, at.n_steps + 1, at.n_steps_of_stage + 1
            done()
            is_due = at.step % every == 0 and at.step < len(todo)
            if is_due or at.step == len(todo) or at.step % -(-len(todo) // _TOLD_PER_EPOCH) == 0:
                self._told(rate, at)
            if is_due:
                at.seconds += time.perf_counter() - began
                keep()
                began = time.perf_counter()
        at.seconds += time.perf_counter() - began
        at.epoch, at.step = at.epoch + 1, 0

    def _make(self, step: list[Batch], pixels: Iterator[Tensor], at: Position) -> None:
        """One step: the losses of its batches, their slopes, and the weights moved."""
        accelerator, device = self.accelerator, self.accelerator.device
        torch.manual_seed(_mixed(self.seed, at.n_steps, accelerator.process_index))
        for number, batch in enumerate(step):
            seen = next(pixels).to(device, non_blocking=True)
            classes = {name: torch.from_numpy(codes).to(device) for name, codes in batch.classes.items()}
            is_last = number == len(step) - 1
            with nullcontext() if is_last else accelerator.no_sync(self.learner):
                with accelerator.autocast():
                    losses = self.learner(seen, classes)
                total = sum(
                    (self.weights[name] * loss for name, loss in losses.items()), torch.zeros((), device=device)
                )
                accelerator.backward(total / len(step))
            self._add(losses)
        if self.options.clip:
            accelerator.clip_grad_norm_(self.learner.parameters(), self.options.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.mean is not None:
            self.mean.update(accelerator.unwrap_model(self.learner).network)

    def _learn(self) -> None:
        """Batch norms take note of the photos, but for those of a body that stays as it is."""
        self.learner.train()
        if self.options.frozen_norms or self.frozen == 1:
            for module in self.accelerator.unwrap_model(self.learner).network.body.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - torch has no public name for all of them
                    module.eval()

    def _add(self, losses: Mapping[str, Tensor]) -> None:
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(loss)) + loss.detach()
        self._n_summed += 1

    def _told(self, rate: float, at: Position) -> None:
        """The mean losses since the last time, over all processes."""
        means = torch.stack(list(self._sums.values())) / self._n_summed
        means = self.accelerator.reduce(means, "mean").tolist()
        figures = {f"loss {name}": mean for name, mean in zip(self._sums, means, strict=True)}
        self._sums, self._n_summed = {}, 0
        if not all(map(math.isfinite, means)):
            raise NotFittedError(
                f"expected a finite loss, found {means} after {at.n_steps} steps: take a lower learning rate, "
                'clip more, or precision = "full"'
            )
        self.tell({**figures, "learning rate": rate})


def _mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
