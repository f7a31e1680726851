"""Pictures of where new photos and those of the gallery agree, by a scorer of a recipe that can show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resight.config import LocalOptions, NaiveBayesOptions
from resight.core import Catalogue, Embeddings
from resight.pipeline.reranking import Reranker
from resight.pipeline.scorers import build_scorers
from resight.pipeline.sides import Side, extractor_of
from resight.rerank.features import LocalFeatures
from resight.rerank.local_scorer import LocalScorer
from resight.rerank.match_picture import ShownPhoto, match_picture
from resight.rerank.naive_bayes import NaiveBayesScorer

__all__ = ["Viewer"]

_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'


@dataclass(frozen=True, eq=False)
class Viewer:
    """Draws pairs of a query and a photo of the gallery.

    Args:
        name: of the scorer that is asked where they agree.
        scorer: built on the queries and the gallery.
        queries: the photos that ask, and their keypoints.
        gallery: the photos that answer, and theirs.
    """

    name: str
    scorer: LocalScorer | NaiveBayesScorer
    queries: tuple[Catalogue, LocalFeatures]
    gallery: tuple[Catalogue, LocalFeatures]

    @classmethod
    def of(cls, reranker: Reranker, queries: Catalogue, embeddings: Embeddings) -> Viewer | None:
        """The last scorer of the recipe that can show where photos agree; None when there is none.

        Keypoints are looked for on these queries only.
        """
        for options in reversed(reranker.recipe.scorers):
            if isinstance(options, LocalOptions | NaiveBayesOptions):
                asking, extractor = Side(queries, embeddings), extractor_of(options)
                alone = reranker.recipe.model_copy(update={"scorers": (options,)})
                scorer = build_scorers(alone, reranker.built(asking))[0].scorer
                if isinstance(scorer, LocalScorer | NaiveBayesScorer):
                    sides = [(side.catalogue, side.local(extractor)) for side in (asking, reranker.gallery)]
                    return cls(options.title, scorer, sides[0], sides[1])
        return None

    def picture(self, query: int, photo: int, *, id_: str, said: Sequence[str] = ("", "")) -> str:
        """Both photos of a pair of rows side by side, as a part of a page.

        Args:
            query: row among the queries.
            photo: row in the gallery.
            id_: stands before each id of the picture.
            said: what stands below each of the two photos; their image ids where it is empty.
        """
        rows = ((self.queries, query, said[0]), (self.gallery, photo, said[1]))
        first, second = (_shown(photos, features, row, name) for (photos, features), row, name in rows)
        drawn = match_picture(first, second, self.scorer.matches(query, photo), id_=id_)
        # inside a page an SVG needs no namespace, and a page names no address at all
        return drawn.replace(_NAMESPACE, "", 1)


def _shown(photos: Catalogue, features: LocalFeatures, row: int, name: str) -> ShownPhoto:
    width, height = (int(side) for side in features.sizes[row])
    box = photos.frame["box"][row]
    return ShownPhoto(photos.photo(row), name or photos.image_ids[row], (width, height), box)
