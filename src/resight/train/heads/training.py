"""`resight train head`: a better model from the vectors that a catalogue holds already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resight import __version__
from resight.config import HeadRecipe, LearnedOptions
from resight.core import Embeddings, Estimate
from resight.embed import Bundle, Learned, LinearHead
from resight.errors import InputError, UnknownNameError
from resight.pages.wording import plural
from resight.pipeline.bundles import bundle_place, external_model_of, keep_bundle
from resight.pipeline.gallery import encounter_notes, fingerprint, labelled_gallery, require_columns
from resight.store import CatalogueStore
from resight.train.bundles import publish, refuse_odd_name, refuse_taken
from resight.train.chosen import learned_from
from resight.train.examples import Examples
from resight.train.heads.bundle import agreement, draft_bundle
from resight.train.heads.generated import set_apart
from resight.train.heads.trials import Tried, fitted, try_heads
from resight.train.judging import MEASURES, NONE, Chosen, Verdicts, choose_head, json_of
from resight.train.losses import require_torch

__all__ = ["HeadTraining", "train_head"]


@dataclass(frozen=True, eq=False)
class HeadTraining:
    """What was tried, what it was worth, and what came of it.

    Args:
        chosen: the head, or "none".
        model: fingerprint of the new bundle; None when there is none.
        bundle: where it lies.
        base: fingerprint of the bundle that it was learned on.
        n_photos: learned from.
        n_individuals: on them.
        heads: name to measure to figure, over all individuals; the best of many is a lucky one, so
            these choose and promise nothing.
        choice: of the choice itself, the same on folds that took no part in it.
        n_vectors: of the catalogue that were made for the new bundle.
        n_checked: photos on which the bundle was held against the head.
        notes: sentences for the user.
    """

    chosen: str
    model: str | None
    bundle: Path | None
    base: str
    n_photos: int
    n_individuals: int
    heads: Mapping[str, Mapping[str, Estimate]]
    choice: Chosen
    n_vectors: int = 0
    n_checked: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line per head, what the choice is worth, and where the bundle lies."""
        width = max(len(name) for name in [*self.heads, "gain of choosing"])
        lines = [
            f"{plural(self.n_photos, 'photo')} of {plural(self.n_individuals, 'individual')}, model {self.base}",
            f"{'head':<{width}}  " + "  ".join(f"{name:<20}" for name in MEASURES),
            *(_line(name, figures, width) for name, figures in self.heads.items()),
            _line("gain of choosing", self.choice.gains, width),
            f"chosen: {self.chosen}",
        ]
        if self.bundle is not None:
            lines.append(
                f"bundle: {self.bundle} ({self.model}), {plural(self.n_vectors, 'vector')} made from stored ones"
            )
        return "\n".join(line.rstrip() for line in lines)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "chosen": self.chosen,
            "best": self.choice.best,
            "model": self.model,
            "bundle": None if self.bundle is None else str(self.bundle),
            "base": self.base,
            "n_photos": self.n_photos,
            "n_individuals": self.n_individuals,
            "heads": {name: json_of(figures) for name, figures in self.heads.items()},
            "choice": {
                "gains": json_of(self.choice.gains),
                "figures": json_of(self.choice.figures),
                "baseline": json_of(self.choice.baseline),
            },
            "n_vectors": self.n_vectors,
            "n_checked": self.n_checked,
            "notes": list(self.notes),
        }


def train_head(
    folder: str | Path,
    *,
    recipe: HeadRecipe | None = None,
    out: str | Path | None = None,
    name: str = "head",
    model: str | Path | None = None,
    same: Sequence[str] = (),
    only: Sequence[str] = (),
    seed: int = 0,
) -> HeadTraining:
    """Learn a head on the stored vectors of a catalogue, and append it to their bundle.

    Heads are judged by encounters that they never saw, beside individuals that they never saw. When none beats the
    vectors as they are by more than the interval, none is taken and nothing is written. Else the best
    one is learned on all photos, made part of the bundle's graph, held against the bundle on photos of the
    catalogue, and the vectors of all photos are made for it without opening one.

    Args:
        folder: the catalogue.
        recipe: what is tried; default: `quick-head`.
        out: new folder for the bundle, beside the copy that the catalogue keeps; None for that copy alone.
        name: of the new bundle.
        model: bundle to learn on, by name or path; default: the catalogue's own.
        same: columns in which photos must agree to be alike; default: the recipe's.
        only: names of the recipe's heads that are tried; all when empty.
        seed: of folds, learning and intervals.

    Raises:
        MissingExtraError: when a head needs torch and it is absent.
        NotFittedError: when too few individuals were met again to judge by.
        UnknownNameError: when there is no such column, head or bundle.
        ConfigError: when the name is no name of a bundle.
        InputError: when nothing is labelled, the vectors were made elsewhere, or `out` is taken.
        StoreError: when there is no catalogue, or it cannot be written to.

    Example:
        >>> print(train_head("mine", same=["side"], out="mine-head"))  # doctest: +SKIP
    """
    asked = _narrowed(HeadRecipe.default() if recipe is None else recipe, same, only)
    _refuse_early(asked, name, out)
    store = CatalogueStore.open(folder)
    if external_model_of(store, model) is not None:
        raise InputError(
            "expected vectors of a bundle, to append the head to, found those that were made elsewhere: index the "
            "photos with a bundle"
        )
    place = bundle_place(store, model)
    base = Bundle.load(place)
    examples, told = _examples(store, base, asked)
    gallery = examples.catalogue
    verdicts, tried, faults = try_heads(examples, asked, seed)
    choice = choose_head(verdicts, only_if_better=asked.validation.only_if_better, seed=seed)
    found = HeadTraining(
        choice.name,
        None,
        None,
        base.model_id,
        len(gallery),
        gallery.n_identities,
        _figures(verdicts, seed),
        choice,
        notes=(*encounter_notes(gallery), *told, *faults, *_told(choice)),
    )
    if choice.name == NONE:
        return found
    return _written(found, store, place, base, examples, tried[choice.name], asked, out, name, seed)


def _examples(store: CatalogueStore, base: Bundle, recipe: HeadRecipe) -> tuple[Examples, tuple[str, ...]]:
    """The photos to learn from with their vectors, and what is to be said of the generated ones among them."""
    gallery, embeddings = labelled_gallery(store, base.model_id)
    gallery = learned_from(gallery, recipe.learn_from, store)
    require_columns(gallery, recipe.same)
    apart, vectors, told = set_apart(gallery, embeddings.select(gallery.image_ids), recipe.synthetic)
    return Examples(apart, vectors, recipe.same), told


def _written(
    found: HeadTraining,
    store: CatalogueStore,
    place: Path,
    base: Bundle,
    examples: Examples,
    one: Tried,
    recipe: HeadRecipe,
    out: str | Path | None,
    name: str,
    seed: int,
) -> HeadTraining:
    """The head learned on all photos, as a bundle, and its vectors in the catalogue."""
    head = fitted(one, examples, seed)
    learned = _learned(found, examples, one, recipe, seed)
    with draft_bundle(place, head, learned, name, examples.catalogue, beside=store.folder / "models") as draft:
        made = Bundle.load(draft)
        n_checked = agreement(made, base, head, examples.catalogue).n_photos
        kept = store.folder / "models" / keep_bundle(store, draft).model_id
        if out is not None:
            publish(draft, Path(out))
    unseen = () if n_checked else ("no photo could be read: the bundle was checked on drawn pixels",)
    return replace(
        found,
        model=made.model_id,
        bundle=kept if out is None else Path(out),
        n_vectors=_derive(store, base.model_id, made.model_id, head),
        n_checked=n_checked,
        notes=(*found.notes, *unseen),
    )


def _derive(store: CatalogueStore, base: str, model: str, head: LinearHead) -> int:
    """The vectors of the new model for all photos that have one of the old; a photo that it gives none is left out."""
    old = store.embeddings(base)
    vectors = head(old.vectors)
    has_direction = np.einsum("nd,nd->n", vectors, vectors) > 0
    return store.add_derived(Embeddings(old.image_ids[has_direction], vectors[has_direction], model), base)


def _narrowed(recipe: HeadRecipe, same: Sequence[str], only: Sequence[str]) -> HeadRecipe:
    heads = recipe.heads
    titles = [head.title for head in heads]
    for name in only:
        if name not in titles:
            raise UnknownNameError("head in the recipe", name, titles)
    chosen = tuple(head for head in heads if not only or head.title in only)
    return recipe.model_copy(update={"same": tuple(same) or recipe.same, "heads": chosen})


def _refuse_early(recipe: HeadRecipe, name: str, out: str | Path | None) -> None:
    """What would fail at the end fails before the work."""
    refuse_odd_name(name)
    if out is not None:
        refuse_taken(Path(out))
    for options in recipe.heads:
        if isinstance(options, LearnedOptions):
            require_torch(options.title)


def _learned(found: HeadTraining, examples: Examples, one: Tried, recipe: HeadRecipe, seed: int) -> Learned:
    versions = {"resight": __version__, "numpy": np.__version__}
    if isinstance(one.options, LearnedOptions):
        import torch

        versions["torch"] = str(torch.__version__)
    return Learned(
        base=found.base,
        method=f"head {one.options.kind}",
        setting=one.setting,
        photos=fingerprint(examples.catalogue, examples.embeddings),
        n_photos=found.n_photos,
        n_individuals=found.n_individuals,
        seed=seed,
        recipe=recipe.to_json(),
        versions=versions,
        figures=json_of(found.choice.figures),
        baseline=json_of(found.choice.baseline),
        gains=json_of(found.choice.gains),
    )


def _figures(verdicts: Verdicts, seed: int) -> dict[str, dict[str, Estimate]]:
    pooled = {name: verdicts.pooled(name) for name in verdicts.by_head}
    return {name: {of: one.estimate(of, seed=seed) for of in MEASURES} for name, one in pooled.items()}


def _told(choice: Chosen) -> tuple[str, ...]:
    gain = choice.gains["OSCR"]
    if choice.best == NONE:
        return ("no head could be learned",)
    if choice.name == NONE:
        return (f"no head is taken: choosing the best one gains {gain} of OSCR, and that may be nothing",)
    if not choice.is_better:
        return (f"the best head is taken as the recipe asks, though it gains {gain} of OSCR, which may be nothing",)
    return ()


def _line(name: str, figures: Mapping[str, Estimate], width: int) -> str:
    shown = ("no figure" if math.isnan(figures[of].value) else str(figures[of]) for of in MEASURES)
    return f"{name:<{width}}  " + "  ".join(f"{one:<20}" for one in shown)
