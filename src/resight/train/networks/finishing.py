"""The end of a training: the bundle and its smaller ones, and the page that shows how it went.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from resight import __version__
from resight.bundle_files import LEARNED
from resight.embed import Bundle, Learned, embed_all
from resight.pipeline import vectors_for
from resight.store import CatalogueStore
from resight.train.bundles import draft_folder, publish, write_learned
from resight.train.judging import json_of
from resight.train.libraries import versions_of
from resight.train.networks.confusion import Confusion
from resight.train.networks.export import BundleFacts, write_bundle
from resight.train.networks.looks_sheet import LooksRow
from resight.train.networks.result import NetworkTraining
from resight.train.networks.roster import titles_of
from resight.train.networks.run import Run
from resight.train.networks.run_page import ClassLooks, RunFacts, run_page
from resight.train.networks.sampling import looks_per_class
from resight.train.networks.stages import batches_of_epoch
from resight.train.networks.variants import variants

__all__ = ["memory_mb", "pages", "with_bundle"]

_BUNDLE, _PAGE = "bundle", "report.html"
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024
_N_SHOWN, _N_LOOKS = 8, 6
_LIBRARIES = ("numpy", "torch", "accelerate")


def with_bundle(
    run: Run, found: NetworkTraining, store: CatalogueStore | None, name: str, seed: int
) -> NetworkTraining:
    """Write the bundle into the folder of the run; a catalogue on disk keeps it and gets its vectors.

    Args:
        run: that is done.
        found: what came of it so far.
        store: of the catalogue, when it lies on disk.
        name: of the bundle.
        seed: of the run.

    Raises:
        InputError: when the network cannot be written as a graph, or the disk refuses.
        MismatchError: when bundle and network do not give the same vectors.
    """
    place, options = found.run / _BUNDLE, run.recipe.export
    for old in found.run.glob(f"{_BUNDLE}*"):  # of a run that was killed just here
        shutil.rmtree(old)
    with draft_folder(found.run) as draft:
        written = write_bundle(run.network, _facts(run, found, name, seed), run.photos, draft)
        write_learned(draft, run.photos.select(np.union1d(run.members.learn, np.array(sorted(run.pseudo), np.int64))))
        publish(draft, place)
    smaller = variants(place, options.variants, run.photos, lambda bundle: _worth(run, bundle), options.tolerance)
    for one in smaller:
        if one.path is not None:
            shutil.copyfile(place / LEARNED, one.path / LEARNED)
    return replace(
        found,
        model=Bundle.load(place).model_id,
        bundle=place,
        variants={one.kind: one.path for one in smaller if one.path is not None},
        n_vectors=vectors_for(store, place) if store is not None else 0,
        notes=(*found.notes, *written.notes, *(one.note for one in smaller)),
    )


def _worth(run: Run, bundle: Path) -> float:
    """The open-set classification rate of a bundle on those kept back; 0 when nobody is."""
    hold_out, members = run.members.hold_out, run.members
    if hold_out is None:
        return 0.0
    embedded = embed_all(run.photos.select(members.judged), Bundle.load(bundle), show_progress=False)
    vectors = np.zeros((len(members.judged), embedded.embeddings.vectors.shape[1]), np.float32)
    vectors[:, 0] = 1  # a photo that this bundle finds nothing on
    place = {image_id: row for row, image_id in enumerate(run.photos.image_ids[members.judged].tolist())}
    vectors[[place[one] for one in embedded.embeddings.image_ids.tolist()]] = embedded.embeddings.vectors
    return float(hold_out.judged(vectors).values["OSCR"].mean())


def _facts(run: Run, found: NetworkTraining, name: str, seed: int) -> BundleFacts:
    body, recipe = run.body, run.recipe
    learned = Learned(
        base=f"{recipe.network.backbone} ({body.source})",
        method="network " + ", ".join(loss.title for loss in recipe.losses),
        setting=f"{found.n_steps} steps",
        photos=found.photos,
        n_photos=found.n_photos,
        n_individuals=found.n_individuals,
        seed=seed,
        recipe=recipe.to_json(),
        versions=versions_of(*_LIBRARIES),
        figures=json_of(found.figures),
        baseline=json_of(found.baseline),
        gains=json_of(found.gains),
    )
    return BundleFacts(
        name=name,
        summary=f"{recipe.network.backbone} trained on {found.n_photos} photos of {found.n_individuals} individuals",
        side=recipe.stages[-1].side_px,
        resize=recipe.photos.resize,
        mean=body.mean,
        std=body.std,
        licence=body.licence,
        commercial_use=body.commercial_use,
        authors=body.authors,
        source=body.source,
        changes=f"trained by resight {__version__}",
        learned=learned,
        faces=recipe.photos.faces,
    )


def pages(run: Run, found: NetworkTraining, figures: pl.DataFrame) -> Iterator[Path]:
    """Write the page that shows how a run went, and give what came of it, file by file."""
    facts = RunFacts(
        title=f"Training of {found.run.name}",
        what=", ".join(loss.title for loss in run.recipe.losses) + f" on {run.recipe.network.backbone}",
        n_photos=found.n_photos,
        n_individuals=found.n_individuals,
        n_seconds=found.seconds,
        memory_mb=found.memory_mb,
        about={"device": str(run.accelerator.device), **versions_of(*_LIBRARIES), "weights": run.body.source},
        figures=figures.rows(),
        looks=_looked_at(run),
        measures={"before training": found.baseline, "after": found.figures, "gain": found.gains}
        if found.figures
        else {},
        confusions=_confusions(run),
        sheet=_sheet(run),
        augmentation=run.recipe.augmentation,
        settings=run.recipe.to_toml(),
        notes=found.notes,
    )
    yield run_page(facts, found.run / _PAGE)
    yield from found.run.glob("confusion*.csv")
    yield from ([] if found.bundle is None else [found.bundle])


def _looked_at(run: Run) -> list[ClassLooks]:
    """Of each stage the photos of every individual, and how often an epoch looks at them."""
    looked = []
    for number, stage in enumerate(run.recipe.stages):
        roster = run.roster(stage)
        batches = batches_of_epoch(roster, run.recipe, seed=run.seed, stage=number, epoch=0)
        looked.append(ClassLooks(stage.name, *looks_per_class(roster.individuals.codes, batches)))
    return looked


def _sheet(run: Run) -> list[LooksRow]:
    """Some photos, and what the last stage makes of them."""
    looks = run.looks(run.recipe.stages[-1])
    rows = run.members.learn[np.linspace(0, len(run.members.learn) - 1, _N_SHOWN).astype(int)]
    mirrors = run.recipe.photos.mirror != "no"
    sheet: list[LooksRow] = []
    for row in np.unique(rows).tolist():
        shown = [
            looks.augmentation(run.shelf.photo(row, seed), seed, mirrors and seed % 2 == 1).permute(1, 2, 0).numpy()
            for seed in range(_N_LOOKS)
        ]
        sheet.append((str(run.photos.image_ids[row]), run.shelf.photo(row), shown))
    return sheet


def _confusions(run: Run) -> list[Confusion]:
    """Of each loss that gives classes a score: for whom photos kept back are taken, as far as it knows their class."""
    hold_out = run.members.hold_out
    scored = {name: one for name, one in run.criteria.items() if one.has_scores}
    if hold_out is None or not scored:
        return []
    classes = run.roster(run.recipe.stages[-1]).classes
    rows = run.members.judged[~hold_out.fold.learn]
    vectors = torch.from_numpy(run.raw_vectors(rows))
    frame = run.photos.frame[rows]
    found = []
    for loss in (one for one in run.recipe.losses if one.title in scored):
        names = classes[loss.title].names
        true = titles_of(frame, ["identity", *run.recipe.same] if loss.of == "individual" else [loss.of])
        known = np.flatnonzero(np.isin(true, names))
        with torch.no_grad():
            scores = scored[loss.title].cpu().scores(vectors[known])
        best = scores.argmax(1).tolist() if len(known) else []
        found.append(Confusion.of([true[row] for row in known], [names[one] for one in best], loss.title))
    return found


def memory_mb() -> float:
    """What was used at most: of the GPU, where there is one, else of the process; 0 where the system does not tell."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / 1e6
    try:
        import resource
    except ImportError:  # Windows does not tell
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT / 1e6
