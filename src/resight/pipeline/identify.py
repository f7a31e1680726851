"""Identifier: embed, search, decide. The class that most users need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resight.core import Catalogue, Decision, Embeddings, Matches, OperatingPoint
from resight.datasets import read_catalogue
from resight.datasets.named_rows import catalogue_of_names
from resight.decide import decide
from resight.embed import Bundle, Failure, Remark, embed_all
from resight.errors import InputError, MismatchError, NotFittedError
from resight.pipeline.bundles import bundle_for, external_model_of
from resight.pipeline.codes import codes_folder
from resight.pipeline.gallery import fingerprint, groups_of, labelled_gallery, rejections_by_content, rejections_of
from resight.pipeline.milvus import search_in_milvus
from resight.pipeline.reranking import Compared, Reranker, has_fusion
from resight.pipeline.self_search import N_CANDIDATES, who_may_answer
from resight.pipeline.unseen import unseen_photos
from resight.pipeline.vector_contents import contents_of
from resight.protocols import Searcher
from resight.search import choose
from resight.store import CatalogueStore

_DIFFER = ("content", "encounter")


@dataclass(frozen=True, eq=False)
class Identification:
    """What was said of a set of photos; iterates over the decisions.

    Args:
        decisions: one per photo that could be read, in the order of the photos.
        matches: the candidates that they rest on.
        queries: the photos.
        point: the operating point that ruled.
        failures: the photos that could not be read, with the reason.
        notes: sentences for the user.
        compared: what each scorer said of the candidates' photos; None when nothing was re-ranked.
        remarks: on single photos, such as that several faces were found.
    """

    decisions: tuple[Decision, ...]
    matches: Matches
    queries: Catalogue
    point: OperatingPoint
    failures: tuple[Failure, ...]
    notes: tuple[str, ...] = ()
    compared: Compared | None = None
    remarks: tuple[Remark, ...] = ()

    def __iter__(self) -> Iterator[Decision]:
        """The decisions, in the order of the photos."""
        return iter(self.decisions)

    def __len__(self) -> int:
        """The number of decisions."""
        return len(self.decisions)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "decisions": [decision.to_json() for decision in self],
            "failures": [{"image_id": f.image_id, "path": f.path, "reason": f.reason} for f in self.failures],
            "operating_point": self.point.to_json(),
            "notes": list(self.notes),
            "remarks": [{"image_id": one.image_id, "path": one.path, "text": one.text} for one in self.remarks],
        }


class Identifier:
    """Says who is on a photo: one of the gallery's individuals, or a new one.

    Args:
        gallery: the labelled photos that may answer.
        embeddings: one vector per photo of `gallery`, in its order.
        bundle: the model that made them; None when they were made elsewhere.
        point: where the line between known and new is drawn.
        reranker: weighs more than the embedding; None for the embedding alone.
        unseen: (N,) the photos of the gallery that the model never learned; None when it learned none of them.
        searcher: of the same gallery, and a sentence on it, as `choose` gives them; by default one that fits its size.
        rejections: by image id and content of a photo, the individuals that it was said not to show, as
            `rejections_by_content` gives them; they are not offered to it.

    Raises:
        InputError: when the gallery and its vectors do not fit each other.
        MismatchError: when bundle, vectors and operating point are of different models.

    Example:
        >>> from resight import Identifier
        >>> identifier = Identifier.open("catalogue")  # doctest: +SKIP
        >>> for decision in identifier.identify("new_photos"):  # doctest: +SKIP
        ...     print(decision.query, decision.verdict, decision.identity, decision.probability)
    """

    def __init__(
        self,
        gallery: Catalogue,
        embeddings: Embeddings,
        bundle: Bundle | None,
        point: OperatingPoint,
        reranker: Reranker | None = None,
        unseen: np.ndarray | None = None,
        searcher: tuple[Searcher, str] | None = None,
        rejections: Mapping[tuple[str, str], Sequence[str]] | None = None,
    ) -> None:
        if bundle is not None:
            embeddings.require_same_model(bundle.model_id)
        if reranker is None:
            embeddings.require_same_model(point.model)
        elif reranker.model != point.model:
            raise MismatchError(
                f"expected an operating point of {reranker.model}, found one of {point.model}: calibrate again"
            )
        if gallery.image_ids.tolist() != embeddings.image_ids.tolist():
            raise InputError("expected one vector per photo of the gallery in its order, found otherwise")
        self.gallery = gallery
        self.embeddings = embeddings
        self.bundle = bundle
        self.point = point
        self.reranker = reranker
        self.unseen = unseen
        self.rejections = rejections or {}
        self.searcher, self.searched_by = searcher or choose(embeddings, gallery.column("identity").astype(np.str_))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        model: str | Path | None = None,
        rerank: bool = False,
        milvus: str | None = None,
        collection: str = "resight",
    ) -> Identifier:
        """The identifier of a calibrated catalogue on disk.

        Args:
            folder: the catalogue.
            model: bundle, by name or path; default: the catalogue's own.
            rerank: weigh what `calibrate_catalogue` fitted with a recipe, too.
            milvus: search in Milvus at this address, which `push_to_milvus` wrote the gallery to.
            collection: its name there.

        Raises:
            StoreError: when there is no catalogue, or no answer from Milvus.
            MismatchError: when Milvus holds another gallery.
            NotFittedError: when it is not calibrated.
        """
        store = CatalogueStore.open(folder)
        external = external_model_of(store, model)
        bundle = bundle_for(store, model) if external is None else None
        name = external if bundle is None else bundle.model_id
        gallery, embeddings = labelled_gallery(store, str(name))
        reranker = Reranker.open(store, gallery, embeddings) if rerank else None
        try:
            point = store.operating_point(embeddings.model if reranker is None else reranker.model)
        except NotFittedError as error:
            if reranker is not None or not has_fusion(store):
                raise
            raise NotFittedError(f"{error}; or identify with  --rerank, for which there is one") from None
        unseen = unseen_photos(store, gallery, embeddings.model)
        if milvus is not None:
            searcher = search_in_milvus(gallery, embeddings, milvus, collection)
        else:
            names = gallery.column("identity").astype(np.str_)
            searcher = choose(embeddings, names, codes=codes_folder(store, embeddings.model))
        return cls(gallery, embeddings, bundle, point, reranker, unseen, searcher, rejections_by_content(store))

    def identify(
        self,
        photos: str | Path | Catalogue,
        *,
        labels: str | Path | None = None,
        top: int = 5,
        strict: bool = False,
    ) -> Identification:
        """Say of each photo which individual it shows, or that it is a new one.

        A file that the gallery holds too does not answer for itself, nor does a photo of an
        encounter that both name.

        Args:
            photos: a folder, one photo, or a catalogue of the photos.
            labels: table with side, species, encounter or box of the photos, if it lies elsewhere.
            top: candidates per photo.
            strict: raise at the first photo that cannot be read.

        Raises:
            InputError: when no photo is found or can be read, `top` is not at least 1, (`strict`) a photo cannot be
                read, or the gallery's vectors were made elsewhere, so that no vector can be made here.
        """
        if self.bundle is None:
            raise InputError(
                f"expected vectors of model {self.embeddings.model}, which made those of the gallery elsewhere, "
                "found photos: give theirs to  resight embeddings identify  or  identify_embeddings()"
            )
        queries = photos if isinstance(photos, Catalogue) else read_catalogue(Path(photos), labels and Path(labels))
        if not len(queries):
            raise InputError(f"expected photos in {photos}, found none")
        embedded = embed_all(queries, self.bundle, strict=strict)
        if not len(embedded.embeddings):
            first = embedded.failures[0]
            raise InputError(
                f"expected a photo that can be read, found {len(embedded.failures)} that cannot, the first of them "
                f"{first.path}: {first.reason}"
            )
        found = self._decided(queries, embedded.embeddings, embedded.fingerprints, embedded.failures, top)
        return replace(found, remarks=embedded.remarks)

    def identify_embeddings(
        self,
        embeddings: Embeddings,
        queries: Catalogue | None = None,
        *,
        top: int = 5,
        failures: Sequence[Failure] = (),
    ) -> Identification:
        """Say the same of photos whose vectors are there already.

        A photo whose file or, where there is none, whose very vector the gallery holds too does not
        answer for itself, nor does a photo of an encounter that both name.

        Args:
            embeddings: the vectors, of the model that made those of the gallery.
            queries: what is known of the photos (side, species, encounter), in any order; None for nothing.
            top: candidates per photo.
            failures: photos that have no vector, to be listed.

        Raises:
            MismatchError: when the vectors are of another model or dimension.
            UnknownNameError: when a photo with a vector is not among the queries.
            InputError: when there is no vector, or `top` is not at least 1.
        """
        embeddings.require_same_model(self.embeddings.model)
        if not len(embeddings):
            raise InputError("expected at least one vector to identify, found none")
        known = None if queries is None else queries.select(embeddings.image_ids)
        contents, _ = contents_of(known, embeddings)
        known = known or catalogue_of_names(embeddings.image_ids.tolist(), None, Path())
        return self._decided(known, embeddings, contents, tuple(failures), top)

    def search(self, queries: Catalogue, embeddings: Embeddings, k: int) -> Matches:
        """The best `k` individuals for each query, on the scale of the operating point."""
        return self._searched(queries, embeddings, k)[0]

    def _searched(self, queries: Catalogue, embeddings: Embeddings, k: int) -> tuple[Matches, Compared | None]:
        rejected = rejections_of(queries, self.rejections)
        rule = who_may_answer(queries, self.gallery, same=self.point.same, differ=_DIFFER, rejections=rejected)
        if self.reranker is None:
            return self.searcher.search(embeddings, k, rule), None
        compared = self.reranker.compare(queries, embeddings, rule, k)
        return compared.matches, compared

    def _decided(
        self,
        queries: Catalogue,
        embeddings: Embeddings,
        contents: Mapping[str, str],
        failures: tuple[Failure, ...],
        top: int,
    ) -> Identification:
        if top < 1:
            raise InputError(f"expected top of at least 1 candidate, found {top}")
        queries = _with_content(queries.select(embeddings.image_ids), contents)
        matches, compared = self._searched(queries, embeddings, max(top, N_CANDIDATES))
        decisions = decide(matches, self.point, groups_of(queries, self.point), top=top)
        notes = (*self._notes(queries), *(() if compared is None else _silences(compared, len(queries))))
        return Identification(decisions, matches, queries, self.point, failures, notes, compared)

    def _notes(self, queries: Catalogue) -> tuple[str, ...]:
        """What the user should know about these photos."""
        notes = []
        if self._fingerprint != self.point.fitted_on:
            notes.append(
                "The gallery has changed since the operating point was fitted: run  resight calibrate"
                f"{'' if self.reranker is None else ' --rerank'}  again to be sure of its promise."
            )
        for name in self.point.same:
            n_without = queries.frame[name].null_count() if name in queries.frame.columns else len(queries)
            if n_without:
                notes.append(
                    f"{n_without} of {len(queries)} photos have no '{name}' and were compared with every one, so more "
                    f"strangers may pass than was promised: give a table with it (labels)."
                )
        notes.extend(self._without_line(queries))
        n_known = sum(content in self._contents for content in queries.column("content"))
        if n_known:
            notes.append(f"{n_known} of these photos are in the catalogue as they are; none answered for itself.")
        return tuple(notes)

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self.gallery, self.embeddings)

    @cached_property
    def _contents(self) -> frozenset[str]:
        """The fingerprints of the gallery's files."""
        has = "content" in self.gallery.frame.columns
        return frozenset(self.gallery.column("content")) if has else frozenset()

    def _without_line(self, queries: Catalogue) -> Iterator[str]:
        """A sentence when photos are of no group that has a threshold of its own."""
        groups, names = groups_of(queries, self.point), {one.value for one in self.point.group_thresholds}
        n_without = 0 if groups is None else sum(group not in names for group in groups.tolist())
        if n_without:
            yield (
                f"{n_without} of {len(queries)} photos have no '{self.point.group_column}' that the operating point "
                "knows: they were judged by the threshold of all."
            )


def _with_content(queries: Catalogue, content: Mapping[str, str]) -> Catalogue:
    column = pl.Series("content", [content[image_id] for image_id in queries.frame["image_id"]], dtype=pl.String)
    return Catalogue(queries.frame.with_columns(column), queries.root)


def _silences(compared: Compared, n_queries: int) -> Iterator[str]:
    """A sentence for each scorer that had nothing to say of some photos."""
    for name, values in compared.pairs.scores.items():
        n_silent = n_queries - len(np.unique(compared.pairs.queries[~np.isnan(values)]))
        if n_silent:
            yield (
                f"{n_silent} of {n_queries} photos could not be compared by '{name}', as when no keypoints are "
                "found on them: what is said of them rests on less."
            )
