"""`resight train network`: a whole network learned from the photos of a catalogue, ending in a bundle.

Torch is imported inside the functions that need it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resight.config import NetworkOptions, TrainRecipe
from resight.core import Catalogue
from resight.errors import ConfigError, InputError, MismatchError
from resight.pipeline.gallery import encounter_notes, require_columns
from resight.store import CatalogueStore
from resight.store.alone import alone
from resight.train.bundles import refuse_odd_name
from resight.train.chosen import learned_from
from resight.train.judging import MEASURES
from resight.train.libraries import require
from resight.train.networks.result import NetworkTraining
from resight.train.tracking import RunLog, read_figures, read_run
from resight.train.tracking.files import CHECKPOINTS, FIGURES, RUN, TIMINGS

if TYPE_CHECKING:
    from resight.train.networks.body import Body
    from resight.train.networks.run import Run

__all__ = ["NetworkTraining", "train_network"]

_RECIPE, _LOCK = "recipe.toml", ".lock"


def train_network(
    photos: str | Path | Catalogue,
    *,
    run: str | Path,
    recipe: TrainRecipe | None = None,
    name: str = "network",
    seed: int = 0,
    mlflow: str | None = None,
    backbone: Any = None,
    on_judged: Callable[[int, float], bool] | None = None,
    export: bool = True,
) -> NetworkTraining:
    """Train a network, judge it by encounters and individuals that it never saw, and write it as a bundle.

    A run that was killed goes on where its last checkpoint stands, when it is called with the same arguments again.
    Under `accelerate launch` several processes share the work.

    Args:
        photos: a catalogue on disk, or one in memory. One on disk keeps the bundle and gets its vectors.
        run: folder of the run; new, or that of an interrupted one.
        recipe: what is trained, and how; default: `individuals`.
        name: of the bundle.
        seed: of everything that is drawn.
        mlflow: where MLflow keeps what it shows, see `RunLog`; None for files alone.
        backbone: a torch module (B, 3, S, S) → (B, C, h, w), or a `Body`, in place of the recipe's.
        on_judged: takes the number of each judgement and the open-set classification rate; says whether to stop.
        export: write the bundle.

    Raises:
        MissingExtraError: when a package of the extra `train` is absent.
        NotFittedError: when too few individuals were met again to judge by, or take part in a stage.
        UnknownNameError: when there is no such column or backbone.
        ConfigError: when a setting does not fit the machine or the backbone.
        InputError: when nothing is labelled, or the run is finished.
        MismatchError: when the folder holds another run, or bundle and network do not agree.
        StoreError: when there is no catalogue, or the disk refuses.

    Example:
        >>> print(train_network("mine", run="runs/first", recipe=TrainRecipe.read("humpback")))  # doctest: +SKIP
    """
    asked = TrainRecipe.default() if recipe is None else recipe
    folder = Path(run)
    _refuse_odd(name, asked, seed)
    require("training a network", "torch", "accelerate", "torchvision")
    from resight.train.networks.finishing import memory_mb, pages, with_bundle

    store = None if isinstance(photos, Catalogue) else CatalogueStore.open(photos)
    catalogue = photos if isinstance(photos, Catalogue) else store.catalogue()  # type: ignore[union-attr]
    catalogue = learned_from(catalogue, asked.learn_from, store)
    _refuse_unlabelled(catalogue, asked)
    parameters = _parameters(catalogue, asked, seed, backbone)
    _refuse_another(folder, parameters)
    begun = time.perf_counter()
    with _logged(folder, name, parameters, mlflow) as log:
        learned = _learned(catalogue, asked, folder, seed, log, backbone, on_judged)
        found = _result(learned, folder, parameters["photos"])
        is_done = learned.accelerator.is_main_process and not learned.is_stopped
        if export and is_done:
            found = with_bundle(learned, found, store, name, seed)
        found = replace(found, seconds=time.perf_counter() - begun, memory_mb=memory_mb())
        if is_done:
            for made in pages(learned, found, read_figures(folder)):
                log.artefact(made)
            log.finish(found.to_json())
    return found


def _refuse_odd(name: str, recipe: TrainRecipe, seed: int) -> None:
    refuse_odd_name(name)
    if seed < 0:
        raise ConfigError(f"expected a seed of at least 0, found {seed}", key="seed")
    if len({"identity", *recipe.same}) <= len(recipe.same):
        raise ConfigError(
            f"expected columns other than 'identity' in same, each once, found {', '.join(recipe.same)}", key="same"
        )


def _parameters(photos: Catalogue, recipe: TrainRecipe, seed: int, backbone: Any) -> dict[str, Any]:
    """All that a run rests on."""
    return {
        "recipe": recipe.to_json(),
        "recipe_fingerprint": recipe.fingerprint,
        "photos": photos_fingerprint(photos),
        "seed": seed,
        "backbone": "the recipe's" if backbone is None else type(backbone).__name__,
    }


def photos_fingerprint(photos: Catalogue) -> str:
    """A hash of what a training takes from a catalogue: the photos and what is said of them."""
    digest = hashlib.blake2b(digest_size=16)
    for row in photos.frame.iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _refuse_unlabelled(catalogue: Catalogue, recipe: TrainRecipe) -> None:
    labelled = catalogue.labelled()
    if not len(labelled):
        raise InputError("expected labelled photos to learn from, found none: label them in the catalogue first")
    require_columns(labelled, recipe.same)
    require_columns(labelled, [loss.of for loss in recipe.losses if loss.of != "individual"])


def _refuse_another(folder: Path, parameters: Mapping[str, Any]) -> None:
    """A folder holds one run, and nothing else."""
    others = _others(folder)
    if not (folder / RUN).exists():  # looked for after the others: another process may be about to begin the run
        if others:
            raise InputError(f"expected a new folder for the run, found '{others[0]}' in {folder}: give another place")
        return
    before = read_run(folder)
    if before["state"] == "finished":
        raise InputError(f"expected a new folder for the run, found a finished one in {folder}: give another place")
    differing = [key for key, value in parameters.items() if before["parameters"].get(key) != value]
    if differing:
        raise MismatchError(
            f"expected the run in {folder} to go on with what it began with, found other {', '.join(differing)}: "
            "give another folder, or what it had"
        )


def _others(folder: Path) -> list[str]:
    """What lies in a folder, but for what a run begins with before it says that it is one."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"expected a folder for the run, found a file in {folder}: give another place")
    there = sorted(one.name for one in folder.iterdir()) if folder.exists() else []
    return [name for name in there if name not in (FIGURES, TIMINGS) and not name.startswith(".")]


@contextmanager
def _logged(folder: Path, name: str, parameters: Mapping[str, Any], mlflow: str | None) -> Iterator[Any]:
    """The record of the run, by the first process; the others keep none."""
    from accelerate import PartialState

    if not PartialState().is_main_process:
        yield _Silent()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"expected to write to {folder}, found: {error.strerror or error}") from error
    with alone(folder, _LOCK, "trains"), RunLog(folder, name=name, parameters=parameters, mlflow=mlflow) as log:
        (folder / _RECIPE).write_text(TrainRecipe.model_validate(parameters["recipe"], strict=False).to_toml(), "utf-8")
        yield log


class _Silent:
    """Takes what a record takes, and keeps nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def _learned(
    photos: Catalogue,
    recipe: TrainRecipe,
    folder: Path,
    seed: int,
    log: RunLog,
    backbone: Any,
    on_judged: Callable[[int, float], bool] | None,
) -> Run:
    """The network, from what a checkpoint holds to the end of its stages."""
    import torch

    from resight.train.networks.members import Members
    from resight.train.networks.photos import PhotoShelf
    from resight.train.networks.run import Run

    accelerator = _accelerator(recipe)
    torch.manual_seed(seed)
    body = _body(recipe.network, recipe.stages[0].side_px, backbone)
    shelf = PhotoShelf(photos, recipe.photos, max(stage.side_px for stage in recipe.stages))
    failures = shelf.read_all()
    members = Members.of(photos, [one.image_id for one in failures], recipe, seed)
    run = Run(recipe, body, members, shelf, accelerator, folder / CHECKPOINTS, seed, on_judged=on_judged)
    run.tell = lambda figures, at: log.figure(
        figures, stage=recipe.stages[at.stage].name, epoch=at.epoch, step=at.n_steps
    )
    run.clock = lambda figures, at: log.timing(
        figures, stage=recipe.stages[at.stage].name, epoch=at.epoch, step=at.n_steps
    )
    run.notes = [
        *encounter_notes(photos.labelled()),
        *_unguarded(recipe),
        *(f"{one.path}: {one.reason}" for one in failures),
    ]
    run.go(rewind=log.rewind)
    return run


def _unguarded(recipe: TrainRecipe) -> list[str]:
    """A sentence where pseudo-labels are asked for, and no stranger is there who says how high a score must be."""
    if recipe.hold_out.n_parts or not any(stage.pseudo_labels for stage in recipe.stages):
        return []
    return ["no photo without a name took part: pseudo_labels need strangers, and n_parts = 0 in [hold_out] has none"]


def _accelerator(recipe: TrainRecipe) -> Any:
    """What shares the work among processes, in the precision of the recipe."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    precision = {"full": "no"}.get(recipe.loop.precision, recipe.loop.precision)
    AcceleratorState._reset_state()  # noqa: SLF001 - else the precision is that of the process's first training
    accelerator = Accelerator(mixed_precision=precision)
    n, n_processes = recipe.sampling.n_photos_per_batch, accelerator.num_processes
    if n % n_processes or n < 2 * n_processes:
        raise ConfigError(
            f"expected n_photos_per_batch that {n_processes} processes can share evenly, two or more each, found {n}",
            key="n_photos_per_batch",
        )
    return accelerator


def _body(options: NetworkOptions, side_px: int, backbone: Any) -> Body:
    from resight.train.networks.backbones import body
    from resight.train.networks.body import Body, body_of

    if backbone is None:
        return body(options, side_px)
    return backbone if isinstance(backbone, Body) else body_of(backbone, side_px=side_px)


def _result(run: Run, folder: Path, photos: str) -> NetworkTraining:
    figures, baseline, gains = {}, {}, {}
    before, after = run.baseline, run.final
    if before is not None and after is not None:
        for of in MEASURES:
            figures[of], baseline[of] = after.estimate(of), before.estimate(of)
            gains[of] = after.estimate(of, over=before)
    learned = run.photos.select(run.members.learn)
    return NetworkTraining(
        run=folder,
        model=None,
        bundle=None,
        variants={},
        photos=photos,
        n_photos=len(learned),
        n_individuals=learned.n_identities,
        n_pseudo=len(run.pseudo),
        n_steps=run.at.n_steps,
        figures=figures,
        baseline=baseline,
        gains=gains,
        rates=tuple(run.rates),
        notes=tuple(run.notes),
    )
