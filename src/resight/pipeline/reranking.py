"""Re-ranking a catalogue on disk: what was fitted is kept there, and applied to new photos."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.config import CohortScorerOptions, RerankRecipe
from resight.core import Catalogue, Eligibility, Embeddings, Matches, Pairs
from resight.embed import Bundle, embed_all
from resight.errors import InputError, NotFittedError, ResightError, StoreError
from resight.evaluate import Searches
from resight.pipeline.bundles import bundle_for
from resight.pipeline.comparing import Comparer, shortlist
from resight.pipeline.fit_evidence import FitEvidence, arrays_of
from resight.pipeline.fused_gallery import SCALE, FusedGallery, fused_matches, model_of_scores, penalties_of
from resight.pipeline.index import read_photos
from resight.pipeline.methods import RerankedMethod
from resight.pipeline.scorers import Built, build_scorers
from resight.pipeline.self_search import N_CANDIDATES
from resight.pipeline.sides import Side
from resight.pipeline.unseen import unseen_photos
from resight.rerank.cohort import Cohort
from resight.rerank.fusion import Fusion
from resight.store import CatalogueStore

__all__ = ["Compared", "Reranker", "distractor_photos", "has_fusion", "keep_fusion", "reranked_method"]

_FOLDER = "rerank"
_FILE = "fusion.json"
_COHORT = "cohort-{}.npz"
_EVIDENCE = "searches.npz"
_REMEDY = "run  resight calibrate --rerank"
_VERSION = 1
_BROKEN = (ValueError, TypeError, AttributeError, OSError, LookupError, ResightError, pl.exceptions.PolarsError)
"""What reading a file raises that was cut short, or changed by hand."""


def reranked_method(
    store: CatalogueStore,
    catalogue: Catalogue,
    embeddings: Embeddings,
    recipe: RerankRecipe,
    distractors: str | Path | None = None,
    unseen: npt.NDArray[np.bool_] | None = None,
) -> RerankedMethod:
    """The method of a recipe for the labelled photos of a catalogue.

    Args:
        store: the catalogue on disk, which keeps what is found on its photos.
        catalogue: its labelled photos.
        embeddings: their vectors.
        recipe: what is compared.
        distractors: folder of photos of nobody in the catalogue, in place of the recipe's own. A recipe
            that says nothing of what they are for gets a scorer of kind "cohort" of the cosine.
        unseen: (N,) the photos that the model never learned; default: as `unseen_photos` says.

    Raises:
        InputError: when there is no photo among the distractors, or a scorer lacks what it needs.
    """
    recipe, strangers = _with_distractors(store, embeddings.model, recipe, distractors)
    unseen = unseen_photos(store, catalogue, embeddings.model) if unseen is None else unseen
    return RerankedMethod.of(recipe, catalogue, embeddings, store, strangers, unseen)


def distractor_photos(bundle: Bundle, folder: str | Path, named: Collection[str] = frozenset()) -> Side:
    """Photos of nobody in the catalogue with their vectors; those that cannot be read are passed over.

    Args:
        bundle: the model.
        folder: of the photos.
        named: fingerprints of the catalogue's labelled files.

    Raises:
        InputError: when none is left, or one is a labelled photo of the catalogue.
    """
    photos, _ = read_photos(folder, None, "auto")
    embedded = embed_all(photos, bundle)
    found = embedded.embeddings
    own = [image_id for image_id, content in embedded.fingerprints.items() if content in named]
    if own:
        raise InputError(
            f"expected photos of nobody in the catalogue in {folder}, found {len(own)} of its labelled photos among "
            f"{len(photos)} (such as {own[0]}): give a folder of others"
        )
    if not len(found):
        raise InputError(f"expected photos of nobody in the catalogue in {folder}, found none that can be read")
    return Side(photos.select(found.image_ids), found)


@dataclass(frozen=True, eq=False)
class Compared:
    """What was found of new photos.

    Args:
        queries: the vectors of the photos.
        matches: the best individuals for each.
        pairs: of each query and the photos of these individuals that stand in `matches`: what each scorer said.
        log_odds: (P,) what all of them together say of a pair; NaN where none compared it.
    """

    queries: Embeddings
    matches: Matches
    pairs: Pairs
    log_odds: npt.NDArray[np.float64]

    def said(self, query: int, photo: int) -> dict[str, float]:
        """What each scorer said of the pair of two rows, and all of them together; NaN where one did not compare it.

        Raises:
            InputError: when that photo stands for no candidate of that query.
        """
        wanted = query * max(self.pairs.n_photos, 1) + photo
        place = int(np.searchsorted(self._places, wanted))
        if place == len(self._places) or self._places[place] != wanted:
            raise InputError(f"expected a photo that stands for a candidate of query {query}, found row {photo}")
        columns: dict[str, npt.NDArray[Any]] = {**self.pairs.scores, SCALE: self.log_odds}
        return {name: float(values[place]) for name, values in columns.items()}

    @cached_property
    def _places(self) -> npt.NDArray[np.int64]:
        return self.pairs.queries * max(self.pairs.n_photos, 1) + self.pairs.photos


@dataclass(frozen=True, eq=False)
class Reranker:
    """What was fitted for a catalogue, ready for new photos.

    Args:
        recipe: what is compared.
        fusion: how that becomes one.
        gallery: the labelled photos and their vectors.
        background: photos of the fit that keypoints are held against, whether or not they still have a name.
        cohort: vectors of photos of nobody in the catalogue.
        penalties: what is taken off the log-odds of photos of individuals that come first too often, by image id.
    """

    recipe: RerankRecipe
    fusion: Fusion
    gallery: Side
    background: Side
    cohort: Embeddings | None = None
    penalties: Mapping[str, float] = field(default_factory=dict)

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
            background = _background(store, gallery, embeddings, kept["background"])
            penalties = _checked_penalties(kept.get("penalties", {}))
        except _BROKEN as error:
            found = str(error).partition("\n")[0]
            raise StoreError(
                f"expected what was fitted for re-ranking, found otherwise ({found}): {_REMEDY}"
            ) from error
        return cls(recipe, fusion, Side(gallery, embeddings, store), background, cohort, penalties)

    @property
    def model(self) -> str:
        """The fingerprint of the scores."""
        return model_of_scores(self.gallery.embeddings.model, self.fusion, self.penalties)

    def evidence(self) -> FitEvidence | None:
        """What the gallery's own photos said when the fusion was fitted; None when that was not kept.

        Raises:
            StoreError: when what was kept is broken.
        """
        if self.gallery.store is None:
            return None
        try:
            kept = FitEvidence.read(self.gallery.store.folder / _FOLDER / _EVIDENCE)
        except FileNotFoundError:
            return None
        except StoreError as error:
            raise StoreError(f"{error}: {_REMEDY}") from error
        return kept if kept.model == self.model else None

    def compare(self, queries: Catalogue, embeddings: Embeddings, rule: Eligibility, k: int = N_CANDIDATES) -> Compared:
        """The best `k` individuals for each query, on the scale of log-odds, and what each scorer said of them.

        Raises:
            MismatchError: when a scorer rests on something else than in the fit.
        """
        asking, gallery = Side(queries, embeddings), self.gallery.catalogue
        pairs = shortlist(asking, self.gallery, rule, self.recipe.shortlist.n_photos)
        pairs, log_odds = self.weigh(asking, self.gallery, pairs)
        matches = fused_matches(pairs, log_odds, queries, gallery, self.recipe, self.model, k)
        named = _named(pairs, matches, gallery)
        return Compared(embeddings, matches, pairs.select(named), log_odds[named])

    def built(self, asking: Side, answering: Side | None = None) -> Built:
        """What scorers are built on when these photos ask, and the gallery or some other photos answer."""
        there = self.gallery if answering is None else answering
        return Built(asking, there, self.background, self.cohort)

    def weigh(self, asking: Side, answering: Side, pairs: Pairs) -> tuple[Pairs, npt.NDArray[np.float64]]:
        """What each scorer says of pairs of two sides, and the (P,) log-odds that all of them come to.

        Raises:
            MismatchError: when a scorer rests on something else than in the fit.
        """
        comparer = Comparer(self.recipe, build_scorers(self.recipe, self.built(asking, answering)))
        self.fusion.require_models(comparer.models)
        pairs = comparer.compare(pairs)
        log_odds = self.fusion.log_odds(pairs) - penalties_of(answering.catalogue, self.penalties)[pairs.photos]
        return pairs, log_odds


def keep_fusion(store: CatalogueStore, prepared: FusedGallery, searches: Searches) -> None:
    """Keep what was fitted for a catalogue, and what it rests on; what was there before goes.

    Args:
        store: the catalogue on disk.
        prepared: its labelled photos, and the fusion fitted on them.
        searches: what their self-search found.

    One file names all others and is replaced last, so a run that is killed leaves the one or the other, whole.

    Raises:
        StoreError: when the disk refuses.
    """
    folder, method, fusion = store.folder / _FOLDER, prepared.method, prepared.fusion
    evidence = FitEvidence(searches, prepared.stated(), prepared.model)
    recipe = method.recipe.only(fusion.scorers)
    cohort = method.cohort if any(isinstance(one, CohortScorerOptions) for one in recipe.scorers) else None
    fields = {
        "version": _VERSION,
        "model": method.embeddings.model,
        "recipe": recipe.to_json(),
        "fusion": fusion.to_json(),
        "background": method.background.catalogue.image_ids.tolist(),
        "cohort": None if cohort is None else _COHORT.format(Cohort(cohort).model[-17:-1]),
        "penalties": prepared.penalties,
    }
    try:
        folder.mkdir(exist_ok=True)
        with _replaced(folder / _EVIDENCE) as beside, beside.open("wb") as file:
            evidence.write(file)
        if cohort is not None:
            with _replaced(folder / fields["cohort"]) as beside, beside.open("wb") as file:
                np.savez(file, image_ids=cohort.image_ids, vectors=cohort.vectors)
        with _replaced(folder / _FILE) as beside:
            beside.write_text(json.dumps(fields, indent=2, ensure_ascii=False), encoding="utf-8")
        _clear(folder, fields["cohort"])
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


def _clear(folder: Path, kept: str | None) -> None:
    """Remove what earlier fits left: cohorts that no fusion names."""
    for path in folder.glob(_COHORT.format("*")):
        if path.name != kept:
            path.unlink(missing_ok=True)


def has_fusion(store: CatalogueStore) -> bool:
    """Whether something was fitted for re-ranking."""
    return (store.folder / _FOLDER / _FILE).exists()


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


def _background(store: CatalogueStore, gallery: Catalogue, embeddings: Embeddings, image_ids: list[str]) -> Side:
    """The photos that keypoints are held against: those of the fit, whether or not they still have a name."""
    there = gallery.frame["image_id"].is_in(image_ids)
    if int(there.sum()) < len(set(image_ids)):
        gallery, embeddings = store.catalogue(), store.embeddings(embeddings.model)
        there = gallery.frame["image_id"].is_in(image_ids) & gallery.frame["image_id"].is_in(embeddings.image_ids)
    photos = gallery.select(there.to_numpy())
    return Side(photos, embeddings.select(photos.image_ids), store)


def _read_cohort(store: CatalogueStore, name: str, model: str) -> Embeddings:
    if Path(name).name != name:
        raise InputError(f"expected the file of a cohort, found the path {name}")
    kept = arrays_of(store.folder / _FOLDER / name)
    return Embeddings(kept["image_ids"], kept["vectors"], model)


def _checked_penalties(kept: Any) -> dict[str, float]:
    penalties = {str(name): float(penalty) for name, penalty in kept.items()}
    if not all(0 < penalty < np.inf for penalty in penalties.values()):
        raise InputError("expected what is taken off individuals as numbers above 0, found others")
    return penalties


def _named(pairs: Pairs, matches: Matches, gallery: Catalogue) -> npt.NDArray[np.int64]:
    """Numbers of the pairs whose photo stands for a candidate."""
    places = pairs.queries * max(pairs.n_photos, 1) + pairs.photos
    queries, _ = np.nonzero(matches.present)
    photos = gallery.rows_of(matches.gallery_ids[matches.present])
    found: npt.NDArray[np.int64] = np.flatnonzero(np.isin(places, queries * max(pairs.n_photos, 1) + photos))
    return found


def _with_distractors(
    store: CatalogueStore, model: str, recipe: RerankRecipe, distractors: str | Path | None
) -> tuple[RerankRecipe, Side | None]:
    """The recipe with its cohort, and the photos of that."""
    folder = recipe.cohort.distractors if distractors is None else str(Path(distractors).resolve())
    if folder is None:
        return recipe, None
    scorers = recipe.scorers
    if not recipe.cohort.ask and not any(isinstance(one, CohortScorerOptions) for one in scorers):
        scorers = (*scorers, CohortScorerOptions())
    cohort = recipe.cohort.model_copy(update={"distractors": folder})
    recipe = RerankRecipe.model_validate(recipe.model_copy(update={"scorers": scorers, "cohort": cohort}))
    bundle = bundle_for(store, model.partition("@")[0] if model else None)
    named = store.catalogue().labelled().frame["content"].drop_nulls()
    return recipe, distractor_photos(bundle, folder, frozenset(named))
