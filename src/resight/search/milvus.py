"""Search past one machine: a collection of Milvus proposes, exact scores rank."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings, Matches
from resight.errors import MismatchError
from resight.search.exact import ExactSearch
from resight.search.gallery import Rows, Scores, SortedNames, best_places, exact_scores, no_answers
from resight.search.masks import agreeing, alike, permitted
from resight.search.milvus_calls import MilvusConnection
from resight.search.milvus_collection import MOST_PER_CALL, Columns, MilvusCollection, Text, checked_columns, keys_of

_LEAST_ASKED = 32
_WIDENINGS = (4, 16, 64)
_HITS_PER_CALL = 16_384
_STREAMED_ROWS = 8192
_MOST_VALUES = 256
_PLAIN = re.compile(r"""[^"'\\{}\x00-\x1f]*""")


class MilvusSearch:
    """Search of a gallery whose vectors are in Milvus.

    The index of the collection proposes photos. Those that may not answer fall out; the vectors of the
    others are fetched and scored exactly, so each score equals that of `ExactSearch` to the last bit. A
    query that is left with fewer than `k` answers, or whose last answer might be beaten by a photo just
    below the proposals, asks for four and sixteen times as many. A row that stays short is searched
    exactly among the photos that agree with the query: a row ends in absent places only where the
    gallery has no more to give.

    That a column of the collection (species, side) must agree goes to the server as an expression, and so
    does that one must differ (encounter) where it is the same for all queries that agree, as for one that
    comes alone; all other rules are applied to the proposals. An index may overlook a candidate, "FLAT" does not.

    Memory: ids, names and columns of the gallery, and no vectors.

    Args:
        collection: made ready by `open`.
        gallery: what the collection holds.
        columns: name to (G,) text in the order of `gallery`, empty where unknown.
        breadth: candidates that the index looks at per query, at least.

    Example:
        >>> gallery = Embeddings(np.array(["a1", "b1"]), np.eye(2, dtype=np.float32), "toy")
        >>> searcher = MilvusSearch.of(gallery, ["Ann", "Bob"], uri="whales.db")  # doctest: +SKIP
        >>> searcher.search(gallery, k=1).identities.tolist()  # doctest: +SKIP
        [['Ann'], ['Bob']]
    """

    def __init__(
        self, collection: MilvusCollection, gallery: SortedNames, columns: Mapping[str, Text], *, breadth: int = 128
    ) -> None:
        self.collection = collection
        self.gallery = gallery
        self.breadth = breadth
        self._columns = {name: np.unique(text, return_inverse=True) for name, text in columns.items()}
        self._keys = keys_of(gallery.image_ids)
        self._by_key = np.argsort(self._keys)
        self._sorted_keys = self._keys[self._by_key]

    @classmethod
    def of(
        cls,
        gallery: Embeddings,
        identities: npt.ArrayLike | Sequence[str],
        *,
        uri: str | None = None,
        collection: str = "resight",
        columns: Columns | None = None,
        index: str = "HNSW",
        breadth: int = 128,
        patience_s: float = 60.0,
        write: bool = True,
    ) -> MilvusSearch:
        """The search of a gallery at hand, which the collection is made to hold.

        Args:
            gallery: (G, D) one vector per photo.
            identities: (G,) text, the individual on each photo.
            uri: as `MilvusConnection` takes it; default: a folder of Milvus Lite that goes with the object.
            collection: its name.
            columns: name to (G,) text or null; rules that speak of them are answered by the server.
            index: as `MilvusCollection.write` takes it.
            breadth: candidates that the index looks at per query, at least.
            patience_s: seconds that a call waits for a server that is away.
            write: False refuses a collection that does not hold this gallery yet.

        Raises:
            InputError: when a photo has no identity, the lengths differ, or an option is out of range.
            MismatchError: when the collection holds another gallery (`write=False`), model or columns.
            StoreError: when the server stays away, or refuses.
        """
        names = SortedNames(gallery.image_ids, identities, gallery.model, gallery.dimension)
        texts = checked_columns(columns or {}, len(gallery))
        labels = np.asarray(identities, dtype=np.str_).reshape(-1)
        folder = None if uri else Path(tempfile.mkdtemp(prefix="resight-"))
        connection = MilvusConnection(uri or str(Path(str(folder)) / "gallery.db"), patience_s=patience_s)
        there = MilvusCollection(connection, collection)
        searcher = cls(there, names, {name: text[names.order] for name, text in texts.items()}, breadth=breadth)
        if folder is not None:
            weakref.finalize(searcher, _end, connection, folder)
        if write:
            there.write(gallery, labels, texts, index=index)
        else:
            _check_same(there, gallery, labels, texts)
        return searcher

    @classmethod
    def open(
        cls, uri: str, *, collection: str = "resight", breadth: int = 128, patience_s: float = 60.0
    ) -> MilvusSearch:
        """The search of what a collection holds, with no vectors at hand.

        A rule for it speaks of the photos in the order of `gallery.image_ids`.

        Raises:
            StoreError: when the server stays away or refuses, or there is no such collection.
            InputError: when a photo in it has no identity.
        """
        there = MilvusCollection(MilvusConnection(uri, patience_s=patience_s), collection)
        model, dimension, columns = there.open()
        held = there.read(columns)
        order = np.lexsort((held.image_ids, held.identities))
        names = SortedNames(held.image_ids[order], held.identities[order], model, dimension)
        return cls(there, names, {name: text[order] for name, text in held.columns.items()}, breadth=breadth)

    def search(
        self, queries: Embeddings, k: int, eligibility: Eligibility | None = None, *, distinct: bool = True
    ) -> Matches:
        """The best `k` candidates that Milvus finds among the photos that may answer each query.

        The arguments are those of `ExactSearch.search`.

        Raises:
            InputError: when `k` is below 1, or the rule speaks of other queries or photos.
            MismatchError: when the queries come from another model.
            StoreError: when the server stays away, or the collection was changed meanwhile.
        """
        rule = self.gallery.check(queries, k, eligibility)
        n_places = self.gallery.n_places(k, distinct=distinct)
        places, scores = no_answers(len(queries), n_places)
        for rows in alike(rule, len(queries)) if n_places else ():
            vectors, here = queries.vectors[rows], rule.select(rows)
            places[rows], scores[rows] = self._best(vectors, here, n_places, self.gallery.answers(distinct=distinct))
        return self.gallery.matches(queries, places, scores, k, distinct=distinct)

    def _best(self, vectors: npt.NDArray[np.float32], rule: Eligibility, k: int, answers: Rows) -> tuple[Rows, Scores]:
        """(Q, k) places and scores for queries that agree with the same photos."""
        photos, wish = agreeing(rule, len(self.gallery)), self._wish(rule)
        places, scores = no_answers(len(vectors), k)
        pending = np.arange(len(vectors))
        for n_asked in _widenings(k, len(photos)):
            unsure = []
            for rows in _blocks(pending, n_asked):
                found, lowest = self._proposed(vectors[rows], rule.select(rows), n_asked, wish)
                places[rows], scores[rows] = best_places(*found, answers, (len(rows), k))
                unsure.append(rows[scores[rows, -1] <= lowest + 2 * self.gallery.rounding])
            pending = np.concatenate(unsure) if unsure else pending
        short = np.flatnonzero(places[:, -1] < 0)
        if len(short):
            places[short], scores[short] = self._streamed(vectors[short], rule.select(short), photos, (k, answers))
        return places, scores

    def _proposed(
        self, vectors: npt.NDArray[np.float32], rule: Eligibility, n_asked: int, wish: str
    ) -> tuple[tuple[Rows, Rows, Scores], Scores]:
        """Who may answer among the proposals (rows, places, exact scores), and the lowest score of all, (Q,)."""
        rows, keys, fast = self.collection.proposals(vectors, n_asked, wish, self.breadth)
        lowest = np.full(len(vectors), np.inf, np.float32)
        np.minimum.at(lowest, rows, fast)
        lowest[np.bincount(rows, minlength=len(vectors)) < n_asked] = -np.inf
        nth = np.minimum(np.searchsorted(self._sorted_keys, keys), len(self._keys) - 1)
        places = self._by_key[nth]
        known = self._sorted_keys[nth] == keys
        kept = known & permitted(rule, rows, places)
        rows, places = rows[kept], places[kept]
        needed, where = np.unique(places, return_inverse=True)
        photos = self.collection.vectors(self._keys[needed], self.gallery.dimension)
        return (rows, places, exact_scores(vectors, rows, photos, where.reshape(-1))), lowest

    def _streamed(
        self, vectors: npt.NDArray[np.float32], rule: Eligibility, photos: Rows, wanted: tuple[int, Rows]
    ) -> tuple[Rows, Scores]:
        """The exact answer among some photos, whose vectors come block by block."""
        k, answers = wanted
        places, scores = no_answers(len(vectors), k)
        queries = Embeddings(np.arange(len(vectors)).astype(np.str_), vectors, self.gallery.model)
        for start in range(0, len(photos), _STREAMED_ROWS):
            some = photos[start : start + _STREAMED_ROWS]
            ids, names = self.gallery.told(some)
            fetched = self.collection.vectors(self._keys[some], self.gallery.dimension)
            exact = ExactSearch(Embeddings(ids, fetched, self.gallery.model), names, n_threads=1)
            pairs = tuple((q, g[some]) for q, g in rule.differ), tuple((q, g[some]) for q, g in rule.agree)
            found, their = exact.best(queries, Eligibility(*pairs), k, distinct=answers is self.gallery.owners)
            merged = np.concatenate([places, np.where(found < 0, -1, some[found])], axis=1)
            both = np.concatenate([scores, their], axis=1)
            rows, nth = np.nonzero(merged >= 0)
            places, scores = best_places(rows, merged[rows, nth], both[rows, nth], answers, (len(vectors), k))
        return places, scores

    def _wish(self, rule: Eligibility) -> str:
        """An expression that every photo fulfils which may answer the queries; empty where none is known."""
        wishes = []
        for q, g in rule.agree:
            if q[0] >= 0:
                wishes += self._values_of((g == q[0]) | (g < 0))
        for q, g in rule.differ:
            if q[0] >= 0 and (q == q[0]).all():
                wishes += self._values_of(g != q[0])
        return " and ".join(dict.fromkeys(wishes))

    def _values_of(self, allowed: npt.NDArray[np.bool_]) -> list[str]:
        """The expression over one column that allows just these photos, when there is one; the shortest."""
        wishes = []
        for name, (values, codes) in self._columns.items():
            of_value = np.zeros(len(values), dtype=bool)
            of_value[codes] = allowed
            if (of_value[codes] == allowed).all() and not allowed.all():
                wishes += _listed(name, "in", values[of_value]) + _listed(name, "not in", values[~of_value])
        return sorted(wishes, key=len)[:1]


def _listed(column: str, how: str, values: Text) -> list[str]:
    """The expression that a column has, or has not, one of these values; none where they cannot be sent."""
    if len(values) > _MOST_VALUES or not all(map(_PLAIN.fullmatch, values.tolist())):
        return []
    wanted = ", ".join(f'"{value}"' for value in values.tolist())
    return [f"{column} {how} [{wanted}]"]


def _widenings(k: int, n_photos: int) -> list[int]:
    """How many proposals to ask for, one after the other; none when nearly all would be asked for."""
    asked = (min(MOST_PER_CALL, max(_LEAST_ASKED, factor * k)) for factor in _WIDENINGS)
    return [n for n in dict.fromkeys(asked) if n <= n_photos]


def _blocks(pending: Rows, n_asked: int) -> Iterator[Rows]:
    size = max(1, _HITS_PER_CALL // n_asked)
    return (pending[start : start + size] for start in range(0, len(pending), size))


def _check_same(
    collection: MilvusCollection, gallery: Embeddings, identities: Text, columns: Mapping[str, Text]
) -> None:
    model, _, there = collection.open()
    gallery.require_same_model(model)
    missing, others = collection.differences(gallery, identities, columns)
    if len(missing) or len(others) or set(there) != set(columns):
        raise MismatchError(
            f"expected the collection '{collection.name}' to hold the {len(gallery)} photos of the gallery, found "
            f"{len(missing)} lacking or changed and {len(others)} others: write it again (resight milvus push)"
        )


def _end(connection: MilvusConnection, folder: Path) -> None:
    connection.end()
    shutil.rmtree(folder, ignore_errors=True)
