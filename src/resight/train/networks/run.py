"""A run: its stages one after the other, from its last checkpoint on.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from resight.config import StageOptions, TrainRecipe
from resight.core import Catalogue
from resight.errors import MismatchError
from resight.progress import progress
from resight.train.judging import MEASURES, Judged
from resight.train.networks.augmentation import Augmentation
from resight.train.networks.body import Body
from resight.train.networks.checkpoint import (
    last_checkpoint,
    load_checkpoint,
    optimiser_state,
    restore_optimiser,
    save_checkpoint,
)
from resight.train.networks.judge import shared, vectors_of
from resight.train.networks.kept import Best, Kept, copied
from resight.train.networks.loop import Loop, Mean, Position
from resight.train.networks.losses import Criterion
from resight.train.networks.members import Members
from resight.train.networks.network import Learner, Network, freeze
from resight.train.networks.photos import Looks, PhotoShelf
from resight.train.networks.pseudo_labels import pseudo_labels
from resight.train.networks.roster import Roster, roster_of
from resight.train.networks.stages import (
    Batch,
    Schedule,
    criteria_for,
    n_steps_of_stage,
    optimiser_for,
    steps_of_epoch,
)

__all__ = ["Run", "Told"]

Told = Callable[[Mapping[str, float], Position], None]
"""Takes figures, and where the run stands."""


@dataclass
class Run:
    """What is trained, on what, and where it stands.

    Args:
        recipe: of the training.
        body: of the network.
        members: the photos by their part.
        shelf: the photos themselves.
        accelerator: of `accelerate`.
        folder: of the checkpoints.
        seed: of everything that is drawn.
        tell: takes figures.
        clock: takes what took how long.
        on_judged: takes the number of the judgement and the open-set classification rate; says whether to stop.
        notes: sentences for the user.
        baseline: what the network was worth before the first step, if someone is kept back.
        final: what it is worth in the end.
        at: where the run stands.
        best: the best network of this stage.
        pseudo: row to whom a photo without a name is taken for.
        rates: the open-set classification rate at each judgement.
        is_stopped: whether `on_judged` said so.
        criteria: name to loss, of the last stage.
    """

    recipe: TrainRecipe
    body: Body
    members: Members
    shelf: PhotoShelf
    accelerator: Any
    folder: Path
    seed: int
    tell: Told = lambda *_: None
    clock: Told = lambda *_: None
    on_judged: Callable[[int, float], bool] | None = None
    notes: list[str] = field(default_factory=list)
    baseline: Judged | None = None
    final: Judged | None = None
    at: Position = field(default_factory=Position)
    best: Best | None = None
    pseudo: dict[int, str] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    is_stopped: bool = False
    criteria: dict[str, Criterion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the network, from the seed."""
        torch.manual_seed(self.seed)
        self.network = Network(self.body, self.recipe.network).to(self.accelerator.device)
        self.network.to(memory_format=torch.channels_last)

    @property
    def photos(self) -> Catalogue:
        """All of the catalogue."""
        return self.members.photos

    def looks(self, stage: StageOptions) -> Looks:
        """The photos as a stage sees them."""
        return Looks(self.shelf, Augmentation(self.recipe.augmentation, stage.side_px, self.recipe.photos.resize))

    def go(self, rewind: Callable[[int], None] = lambda _: None) -> None:
        """Go on to the end.

        Args:
            rewind: takes the number of steps that a checkpoint stands at; what was told after that counts no more.

        Raises:
            MismatchError: when other photos can be read than when the run began.
            NotFittedError: when a stage has too few individuals, or a loss is no number any more.
            StoreError: when a checkpoint is damaged, or the disk refuses one.
        """
        kept = self._restored()
        rewind(self.at.n_steps)
        while self.at.stage < len(self.recipe.stages) and not self.is_stopped:
            kept = self._stage(self.recipe.stages[self.at.stage], kept)
        if not self.criteria:  # it was killed after its last step
            last = self.recipe.stages[-1]
            self.criteria = dict(self._learner(self.roster(last), self.looks(last), kept).criteria)
        if self.final is None:
            self.final = self.judged(self.network, self.looks(self.recipe.stages[-1]))

    def _restored(self) -> Kept:
        """What the last checkpoint holds; when there is none, the network is judged as it begins."""
        place = last_checkpoint(self.folder)
        if place is None:
            self.baseline = self.judged(self.network, self.looks(self.recipe.stages[0]))
            return Kept()
        tensors, state = load_checkpoint(place)
        if state.get("members", self.members.fingerprint) != self.members.fingerprint:
            raise MismatchError(
                f"expected the photos that the run of {place.parent} began with, found that others can be read now: "
                "bring them back, or begin another run"
            )
        self.at = Position(**state["at"])
        self.pseudo = {int(row): name for row, name in state["pseudo"].items()}
        self.rates = state["rates"]
        self.baseline, self.final, best = (found and Judged.of_json(found) for found in state["judged"])
        self.best = None if best is None else Best(tensors["best"], tensors.get("best criteria", {}), best)
        self.network.load_state_dict(tensors["network"])
        if state["scaler"] and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        return Kept(state["classes"], tensors.get("criteria", {}), tensors.get("optimiser"), tensors.get("mean"))

    def _stage(self, stage: StageOptions, kept: Kept) -> Kept:
        """One stage, from its beginning or from a checkpoint within it; gives what the next one may go on from."""
        is_new = kept.optimiser is None
        looks = self.looks(stage)
        if is_new and stage.pseudo_labels:
            self.pseudo = self._pseudo_labels(stage, looks)
        roster = self.roster(stage)
        learner = self._learner(roster, looks, kept).to(self.accelerator.device)
        freeze(self.body.layers, stage.frozen)
        self.accelerator.free_memory()
        optimiser = optimiser_for(learner, stage, self.recipe.loop)
        prepared, optimiser = self.accelerator.prepare(_synchronised(learner, self.accelerator), optimiser)
        mean = Mean(self.network, self.recipe.loop.ema) if self.recipe.loop.ema else None
        if kept.optimiser is not None:
            restore_optimiser(optimiser, kept.optimiser)
        if mean is not None and kept.mean is not None:
            mean.model.load_state_dict(kept.mean)
        classes = {name: _hash(of.names) for name, of in roster.classes.items()}

        def now(*, is_within: bool = True) -> Kept:
            parts = (optimiser_state(optimiser), mean and mean.model.state_dict()) if is_within else (None, None)
            return Kept(classes, learner.criteria.state_dict(), *parts)

        self._epochs(stage, looks, roster, prepared, optimiser, mean, lambda: self._keep(now()))
        self._take(learner, mean)
        if not self.is_stopped:
            self.at, self.best = Position(stage=self.at.stage + 1, n_steps=self.at.n_steps), None
            self._keep(now(is_within=False))
        self.criteria = dict(learner.criteria)
        return now(is_within=False)

    def _epochs(
        self,
        stage: StageOptions,
        looks: Looks,
        roster: Roster,
        learner: Any,
        optimiser: Any,
        mean: Mean | None,
        keep: Callable[[], None],
    ) -> None:
        n_steps = n_steps_of_stage(roster, self.recipe, seed=self.seed, stage=self.at.stage)
        loop = Loop(
            learner,
            optimiser,
            self.accelerator,
            looks,
            Schedule(stage, n_steps),
            mean,
            self.recipe.loop,
            stage.frozen,
            {loss.title: loss.weight for loss in self.recipe.losses},
            self.seed,
            lambda figures: self.tell(figures, self.at),
        )
        criteria = self.accelerator.unwrap_model(learner).criteria
        with progress(f"stage {stage.name}", n_steps - self.at.n_steps_of_stage, unit="steps") as done:
            while self.at.epoch < stage.n_epochs and not self.at.is_over and not self.is_stopped:
                todo = self.plan(roster, self.at.epoch)
                loop.epoch(todo, self.at, keep=keep, done=lambda: done(1))
                began = time.perf_counter()
                self._judge(stage, looks, criteria, mean)
                self._timed(todo, time.perf_counter() - began)
                keep()

    def _timed(self, todo: Sequence[list[Batch]], judging_s: float) -> None:
        """Say what an epoch took; what was kept of it before a kill is counted."""
        n_photos = sum(len(batch.looks) for step in todo for batch in step) * self.accelerator.num_processes
        training_s, self.at.seconds = self.at.seconds, 0.0
        told = {"training s": training_s, "photos per second": n_photos / training_s, "judging s": judging_s}
        self.clock(told, self.at)

    def plan(self, roster: Roster, epoch: int) -> list[list[Batch]]:
        """The steps of an epoch of the stage where the run stands, as far as they are this process's."""
        return list(
            steps_of_epoch(
                roster,
                self.recipe,
                seed=self.seed,
                stage=self.at.stage,
                epoch=epoch,
                rank=self.accelerator.process_index,
                n_processes=self.accelerator.num_processes,
            )
        )

    def judged(self, network: Network, looks: Looks) -> Judged | None:
        """What a network is worth on those kept back."""
        if self.members.hold_out is None:
            return None
        return self.members.hold_out.judged(vectors_of(network, looks, self.members.judged, self.accelerator))

    def _judge(self, stage: StageOptions, looks: Looks, criteria: nn.Module, mean: Mean | None) -> None:
        """After an epoch: is it the best so far, and has the stage gone on long enough?"""
        options = self.recipe.hold_out
        if self.at.epoch % options.every and self.at.epoch != stage.n_epochs:
            return
        network = mean.network if mean is not None else self.network
        found = self.judged(network, looks)
        if found is None:
            return
        figures = {name: float(found.values[name].mean()) for name in MEASURES}
        self.tell(figures, self.at)
        rate = figures["OSCR"]
        self.rates.append(rate)
        self.at.n_since += 1
        if rate > self.at.best:
            self.at.best, self.at.n_since = rate, 0
            self.best = Best(copied(network), copied(criteria), found)
        patience = self.recipe.loop.patience
        self.at.is_over = bool(patience) and self.at.n_since * options.every >= patience
        if self.on_judged is not None and self.on_judged(len(self.rates), rate):
            self.is_stopped = True

    def _take(self, learner: Learner, mean: Mean | None) -> None:
        """End a stage with the best network that was seen and its losses, else with the mean one, else the last one."""
        self.final = None if self.best is None else self.best.judged
        if self.best is not None:
            self.network.load_state_dict(self.best.network)
            learner.criteria.load_state_dict(self.best.criteria)
        elif mean is not None:
            self.network.load_state_dict(mean.network.state_dict())

    def roster(self, stage: StageOptions) -> Roster:
        """Who takes part in a stage."""
        pseudo = self.pseudo if stage.pseudo_labels else {}
        rows = np.concatenate([self.members.learn, np.array(sorted(pseudo), np.int64)])
        labels = self.photos.frame["identity"].to_list()
        return roster_of(self.photos, rows, [pseudo.get(int(row), labels[row]) for row in rows], self.recipe, stage)

    def raw_vectors(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(N, D) what the network gives photos as they are, of any length: what losses over classes look at."""
        return shared(self.network, self.network, self.looks(self.recipe.stages[-1]), rows, self.accelerator)

    def _learner(self, roster: Roster, looks: Looks, kept: Kept) -> Learner:
        """The network with the losses of a stage; those whose classes are the same are kept."""
        torch.manual_seed(self.seed + 1 + self.at.stage)
        criteria = criteria_for(roster, self.recipe, self.network.dimension)
        known = [name for name in criteria if kept.classes.get(name) == _hash(roster.classes[name].names)]
        for name in known:
            of_loss = {place.removeprefix(f"{name}."): one for place, one in kept.criteria.items()}
            criteria[name].load_state_dict({place: of_loss[place] for place in criteria[name].state_dict()})
        if len(known) < len(criteria):
            self._put_where_photos_are(
                roster, looks, {name: one for name, one in criteria.items() if name not in known}
            )
        return Learner(self.network, criteria)

    def _put_where_photos_are(self, roster: Roster, looks: Looks, criteria: Mapping[str, Criterion]) -> None:
        """Begin with the neck, in the first stage, and with the centres of new losses where the photos lie."""
        found = torch.from_numpy(shared(self.network, self.network.pooled, looks, roster.rows, self.accelerator))
        if self.at.stage == 0:
            self.network.put_neck(found.mean(0), found.var(0, unbiased=False))
        neck = self.network.neck.eval()
        with torch.no_grad():
            unit = torch.nn.functional.normalize(neck(found.to(self.accelerator.device))).cpu()
        neck.train()
        for name, criterion in criteria.items():
            of = roster.classes[name]
            codes = torch.from_numpy(of.codes[of.codes >= 0])
            sums = torch.zeros(len(of.names), unit.shape[1])
            criterion.put_centres(sums.index_add_(0, codes, unit[torch.from_numpy(of.codes >= 0)]))

    def _pseudo_labels(self, stage: StageOptions, looks: Looks) -> dict[int, str]:
        usable = np.concatenate([self.members.learn, self.members.unlabelled, self.members.strangers])
        vectors = np.zeros((len(self.photos), self.network.dimension), np.float32)
        vectors[usable] = vectors_of(self.network, looks, usable, self.accelerator)
        return pseudo_labels(
            self.photos,
            vectors,
            gallery=self.members.learn,
            strangers=self.members.strangers,
            unlabelled=self.members.unlabelled,
            same=self.recipe.same,
            fpir=stage.pseudo_fpir,
        )

    def _keep(self, now: Kept) -> None:
        """A checkpoint, by the first process."""
        if self.accelerator.is_main_process:
            best = None if self.best is None else self.best.judged
            parts: dict[str, Mapping[str, Tensor] | None] = {
                "network": self.network.state_dict(),
                "criteria": now.criteria,
                "best": None if self.best is None else self.best.network,
                "best criteria": None if self.best is None else self.best.criteria,
                "optimiser": now.optimiser,
                "mean": now.mean,
            }
            scaler = self.accelerator.scaler
            state = {
                "at": asdict(self.at),
                "members": self.members.fingerprint,
                "pseudo": self.pseudo,
                "rates": self.rates,
                "judged": [found and found.to_json() for found in (self.baseline, self.final, best)],
                "classes": now.classes,
                "scaler": None if scaler is None else scaler.state_dict(),
            }
            number = self.at.n_steps * 2 + (now.optimiser is None)  # a stage ends after its last step
            save_checkpoint(self.folder, number, {name: of for name, of in parts.items() if of}, state)
        self.accelerator.wait_for_everyone()


def _synchronised(learner: Learner, accelerator: Any) -> Any:
    """Let batch norms see the photos of all processes, on GPUs; elsewhere each sees its own."""
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        return torch.nn.SyncBatchNorm.convert_sync_batchnorm(learner)
    return learner


def _hash(names: tuple[str, ...]) -> str:
    return hashlib.blake2b(json.dumps(names).encode(), digest_size=16).hexdigest()
