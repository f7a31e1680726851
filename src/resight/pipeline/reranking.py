"""Re-ranking a catalogue on disk: what was fitted is kept there, and applied to new photos."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl

from resight.config import CohortScorerOptions, RerankRecipe
from resight.core import Catalogue, Eligibility, Embeddings, Matches
from resight.embed import Bundle, embed_all
from resight.errors import InputError, NotFittedError, ResightError, StoreError
from resight.pipeline.bundles import bundle_for
from resight.pipeline.comparing import Comparer, shortlist
from resight.pipeline.index import read_photos
from resight.pipeline.methods import RerankedMethod, fused_matches
from resight.pipeline.scorers import Built, build_scorers
from resight.pipeline.self_search import N_CANDIDATES
from resight.pipeline.sides import Side
from resight.rerank.cohort import Cohort
from resight.rerank.fusion import Fusion
from resight.store import CatalogueStore

__all__ = ["Reranker", "distractor_vectors", "keep_fusion", "reranked_method"]

_FOLDER = "rerank"
_FILE = "fusion.json"
_COHORT = "cohort-{}.npz"
_REMEDY = "run  resight calibrate --rerank"
_VERSION = 1
_BROKEN = (ValueError, TypeError, AttributeError, OSError, EOFError, LookupError, BadZipFile, zlib.error, ResightError)
"""What reading a file raises that was cut short, or changed by hand."""


def reranked_method(
    store: CatalogueStore,
    catalogue: Catalogue,
    embeddings: Embeddings,
    recipe: RerankRecipe,
    distractors: str | Path | None = None,
) -> RerankedMethod:
    """The method of a recipe for the labelled photos of a catalogue.

    Args:
        store: the catalogue on disk, which keeps what is found on its photos.
        catalogue: its labelled photos.
        embeddings: their vectors.
        recipe: what is compared.
        distractors: folder of photos of nobody in the catalogue, in place of the recipe's own. A recipe
            without a scorer of kind "cohort" gets one of the cosine.

    Raises:
        InputError: when there is no photo among the distractors, or a scorer lacks what it needs.
    """
    recipe, cohort = _with_distractors(store, embeddings.model, recipe, distractors)
    return RerankedMethod.of(recipe, catalogue, embeddings, store, cohort)


def distractor_vectors(bundle: Bundle, folder: str | Path) -> Embeddings:
    """The vectors of photos of nobody in the catalogue; those that cannot be read are passed over.

    Raises:
        InputError: when none is left.
    """
    photos, _ = read_photos(folder, None, "auto")
    found = embed_all(photos, bundle).embeddings
    if not len(found):
        raise InputError(f"expected photos of nobody in the catalogue in {folder}, found none that can be read")
    return found


@dataclass(frozen=True, eq=False)
class Reranker:
    """What was fitted for a catalogue, ready for new photos.

    Args:
        recipe: what is compared.
        fusion: how that becomes one.
        gallery: the labelled photos and their vectors.
        background: those of them that keypoints are held against.
        cohort: vectors of photos of nobody in the catalogue.
    """

    recipe: RerankRecipe
    fusion: Fusion
    gallery: Side
    background: Side
    cohort: Embeddings | None = None

    @classmethod
    def open(cls, store: CatalogueStore, gallery: Catalogue, embeddings: Embeddings) -> Reranker:
        """What `keep_fusion` kept for the model of these vectors.

        Raises:
            NotFittedError: when nothing was kept.
            StoreError: when what was kept is broken.
        """
        kept = _read(store, embeddings.model)
        try:
            recipe = RerankRecipe.model_validate_json(json.dumps(kept["recipe"]))
            fusion = Fusion.from_json(kept["fusion"])
            cohort = _read_cohort(store, kept["cohort"], embeddings.model) if kept["cohort"] is not None else None
            there = gallery.frame["image_id"].is_in(kept["background"]).to_numpy()
        except (*_BROKEN, pl.exceptions.PolarsError) as error:
            found = str(error).partition("\n")[0]
            raise StoreError(
                f"expected what was fitted for re-ranking, found otherwise ({found}): {_REMEDY}"
            ) from error
        rows = np.flatnonzero(there)
        background = Side(gallery.select(rows), embeddings.select(rows), store)
        return cls(recipe, fusion, Side(gallery, embeddings, store), background, cohort)

    @property
    def model(self) -> str:
        """The fingerprint of the scores."""
        return f"{self.gallery.embeddings.model}+{self.fusion.model_id}"

    def search(self, queries: Catalogue, embeddings: Embeddings, rule: Eligibility, k: int = N_CANDIDATES) -> Matches:
        """The best `k` individuals for each query, on the scale of log-odds.

        Raises:
            MismatchError: when a scorer rests on something else than in the fit.
        """
        asking = Side(queries, embeddings)
        built = Built(asking, self.gallery, self.background, self.cohort)
        comparer = Comparer(self.recipe, build_scorers(self.recipe, built))
        self.fusion.require_models(comparer.models)
        pairs = comparer.compare(shortlist(asking, self.gallery, rule, self.recipe.shortlist.n_photos))
        return fused_matches(
            pairs, self.fusion.log_odds(pairs), queries, self.gallery.catalogue, self.recipe, self.model, k
        )


def keep_fusion(store: CatalogueStore, method: RerankedMethod, fusion: Fusion) -> None:
    """Keep what was fitted for a catalogue; what was there before goes.

    One file names all others and is replaced last, so a run that is killed leaves the one or the other, whole.

    Raises:
        StoreError: when the disk refuses.
    """
    folder = store.folder / _FOLDER
    fields = {
        "version": _VERSION,
        "model": method.embeddings.model,
        "recipe": method.recipe.to_json(),
        "fusion": fusion.to_json(),
        "background": method.background.catalogue.image_ids.tolist(),
        "cohort": None if method.cohort is None else _COHORT.format(Cohort(method.cohort).model[-17:-1]),
    }
    try:
        folder.mkdir(exist_ok=True)
        if method.cohort is not None:
            with _replaced(folder / fields["cohort"]) as beside, beside.open("wb") as file:
                np.savez(file, image_ids=method.cohort.image_ids, vectors=method.cohort.vectors)
        with _replaced(folder / _FILE) as beside:
            beside.write_text(json.dumps(fields, indent=2, ensure_ascii=False), encoding="utf-8")
        _clear(folder, {_FILE, fields["cohort"]})
    except OSError as error:
        raise StoreError(f"expected to write to {folder}, found: {error.strerror or error}") from error


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file beside another one, which takes its place when it is whole."""
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _clear(folder: Path, kept: set[str | None]) -> None:
    """Remove what earlier fits left: cohorts that no fusion names."""
    for path in folder.glob(_COHORT.format("*")):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _read(store: CatalogueStore, model: str) -> dict[str, Any]:
    path = store.folder / _FOLDER / _FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        version, fitted_for = kept["version"], kept["model"]
    except FileNotFoundError:
        raise NotFittedError(f"expected what was fitted for re-ranking in {path}, found nothing: {_REMEDY}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"expected what was fitted for re-ranking in {path}, found otherwise: {_REMEDY}") from error
    if version != _VERSION:
        raise NotFittedError(f"expected version {_VERSION} of what was fitted in {path}, found {version}: {_REMEDY}")
    if fitted_for != model:
        raise NotFittedError(f"expected what was fitted for model {model} in {path}, found {fitted_for}: {_REMEDY}")
    return dict(kept)


def _read_cohort(store: CatalogueStore, name: str, model: str) -> Embeddings:
    if Path(name).name != name:
        raise InputError(f"expected the file of a cohort, found the path {name}")
    path = store.folder / _FOLDER / name
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        return Embeddings(kept["image_ids"], kept["vectors"], model)


def _with_distractors(
    store: CatalogueStore, model: str, recipe: RerankRecipe, distractors: str | Path | None
) -> tuple[RerankRecipe, Embeddings | None]:
    """The recipe with its cohort, and the vectors of that."""
    folder = recipe.cohort.distractors if distractors is None else str(Path(distractors).resolve())
    if folder is None:
        return recipe, None
    scorers = recipe.scorers
    if not any(isinstance(one, CohortScorerOptions) for one in scorers):
        scorers = (*scorers, CohortScorerOptions())
    cohort = recipe.cohort.model_copy(update={"distractors": folder})
    recipe = RerankRecipe.model_validate(recipe.model_copy(update={"scorers": scorers, "cohort": cohort}))
    bundle = bundle_for(store, model.partition("@")[0] if model else None)
    return recipe, distractor_vectors(bundle, folder)
