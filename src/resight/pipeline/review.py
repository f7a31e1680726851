"""The desk at which a person decides who is on the photos: all that a review page needs, and no web in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np

from resight.core import Catalogue, Embeddings, Judgement
from resight.errors import InputError, UnknownNameError
from resight.pipeline.bundles import model_of
from resight.pipeline.review_board import Query
from resight.pipeline.review_figures import dashboard_of
from resight.pipeline.review_lines import Between, lines_between
from resight.pipeline.review_nouns import (
    Candidates,
    Dashboard,
    Facts,
    Individual,
    MatchLines,
    Queue,
    QueueItem,
)
from resight.pipeline.review_queue import Ranking, expected_wrong, is_open, is_settled, n_unknown
from resight.pipeline.review_state import State
from resight.pipeline.review_weigher import Compare, Holder
from resight.store import CatalogueStore, JournalEntry

__all__ = ["ReviewDesk"]


class ReviewDesk:
    """Photos that wait for a decision, candidates beside them, and what was decided; safe for threads.

    The names are those of the journal at each call, whoever wrote it; vectors are read once, and again by `refresh`.

    Args:
        store: the catalogue on disk.
        model: fingerprint of the model whose vectors are searched.
        compare: holds photos against each other, so that candidates are weighed by all that `calibrate --rerank`
            fitted; None for the embedding alone.

    Raises:
        NotFittedError: when there is something to compare with, and nothing was fitted.

    Example:
        >>> from resight.pipeline.review import ReviewDesk
        >>> desk = ReviewDesk.open("catalogue")  # doctest: +SKIP
        >>> first = desk.queue(n=1).items[0]  # doctest: +SKIP
        >>> found = desk.candidates(first.image_id)  # doctest: +SKIP
    """

    def __init__(self, store: CatalogueStore, model: str, compare: Compare | None = None) -> None:
        self.store = store
        self.model = model
        self._compare = compare
        self._lock, self._reading = Lock(), Lock()
        self._skipped: dict[str, dict[str, None]] = {}
        self._state = State.read(self.store, self.model, self._compare)

    @classmethod
    def open(
        cls, folder: str | Path, *, model: str | Path | None = None, url: str | None = None, rerank: bool = False
    ) -> ReviewDesk:
        """The desk of a catalogue on disk, calibrated or not.

        Args:
            folder: the catalogue.
            model: bundle, by name or path; default: the catalogue's own.
            url: of the database server that keeps its tables, if one does.
            rerank: weigh what `calibrate_catalogue` fitted with a recipe, too.

        Raises:
            StoreError: when there is no catalogue, or it has no vectors.
            UnknownNameError: when there is no such model.
            NotFittedError: when nothing was fitted to re-rank with.
        """
        store = CatalogueStore.open(folder, url=url)
        name = model_of(store, model)
        return cls(store, name, Holder(Path(folder), url, name) if rerank else None)

    # What waits

    def queue(
        self,
        filter: Mapping[str, str] | None = None,  # noqa: A002  the reviewer's word for it
        n: int = 20,
        by: Literal["teaches", "order"] = "teaches",
        *,
        who: str = "",
    ) -> Queue:
        """The photos that wait for a decision.

        Those without a name, and those whose name is in doubt (`resight.pipeline.review_queue` says how both are
        weighed). A photo that somebody called poor, or of which somebody could not tell, does not wait; those that the
        reviewer skipped come last. In a large catalogue the order may lag behind the last decisions; what is decided
        leaves at once.

        Args:
            filter: column to value; of a date, its beginning.
            n: photos at most.
            by: "teaches", what a decision teaches most; "order", as the photos came.
            who: the reviewer.

        Raises:
            UnknownNameError: when there is no such column.
            InputError: when `n` is below 1 or `by` is unknown.
        """
        if n < 1 or by not in ("teaches", "order"):
            raise InputError(f"expected n of at least 1 and by as 'teaches' or 'order', found {n} and {by!r}")
        state = self._now()
        ranking = state.rankings.of(state)
        waiting = is_open(ranking, state.names) & state.board.chosen(filter or {})[ranking.rows]
        order = np.flatnonzero(waiting)
        with self._lock:
            skipped = dict(self._skipped.get(who, {}))
        place = {image_id: number for number, image_id in enumerate(skipped, 1)}
        image_ids = state.board.photos.image_ids[ranking.rows[order]].tolist()
        later = np.array([place.get(image_id, 0) for image_id in image_ids])
        keys = (ranking.rows[order], -ranking.teaches[order] if by == "teaches" else ranking.rows[order], later)
        order = order[np.lexsort(keys)]
        items = tuple(self._item(state, ranking, number, skipped) for number in order[:n].tolist())
        notes = []
        if not ranking.calibrated:
            notes.append("The catalogue is not calibrated, so photos wait in their own order: run  resight calibrate .")
        if ranking.n_unweighed:
            notes.append(f"{ranking.n_unweighed} photos are not weighed yet: they come last until they are.")
        if ranking.n_left_out:
            notes.append(f"{ranking.n_left_out} photos were not looked at: there are too many.")
        return Queue(
            items,
            len(order),
            expected_wrong(ranking.p_wrong[~is_settled(ranking, state.names)]),
            n_unknown(ranking, state.names),
            ranking.as_of,
            tuple(notes),
        )

    def skip(self, image_id: str, *, who: str) -> None:
        """Let a photo come last in a reviewer's queue, until the desk is opened again.

        Raises:
            UnknownNameError: when there is no such photo.
        """
        self._state.board.row(image_id)
        with self._lock:
            self._skipped.setdefault(who, {}).pop(image_id, None)
            self._skipped[who][image_id] = None

    def unskip(self, image_id: str, *, who: str) -> None:
        """Take a skip back; nothing happens where there was none."""
        with self._lock:
            self._skipped.get(who, {}).pop(image_id, None)

    # Who it may be

    def candidates(
        self,
        image_id: str,
        *,
        filter: Mapping[str, str] | None = None,  # noqa: A002  the reviewer's word for it
        top: int = 10,
        by: Literal["individual", "image"] = "individual",
    ) -> Candidates:
        """A photo of the catalogue beside those that it may show, by the names as they are now.

        Individuals that it was said not to show are not offered, nor a photo of its own encounter.

        Args:
            image_id: the photo.
            filter: of the candidates: column to value; of a date, its beginning.
            top: candidates at most.
            by: whether each individual comes once, by its best photo, or each photo.

        Raises:
            UnknownNameError: when there is no such photo or column.
            InputError: when `top` is below 1, or `by` is unknown.
            MismatchError: when something else was fitted since the desk read the catalogue.
        """
        if top < 1 or by not in ("individual", "image"):
            raise InputError(f"expected top of at least 1 and by as 'individual' or 'image', found {top} and {by!r}")
        version = self.store.versions([image_id]).get(image_id, 0)  # before the names: what comes between is a conflict
        state = self._now()
        row = state.board.row(image_id)
        query = state.board.query(row, state.names)
        facts = replace(state.facts(row), version=version)
        if query is None:
            note = "The photo has no vector, so nothing can be compared with it."
            return Candidates(facts, (), None, None, dict(filter or {}), 0, self.model, (note,))
        return state.found(query, facts, dict(filter or {}), top, by)

    def identify(
        self,
        vector: np.ndarray,
        known: Mapping[str, str | None],
        *,
        image_id: str = "query",
        photo: Catalogue | None = None,
        top: int = 5,
    ) -> Candidates:
        """The same of a photo that is not in the catalogue, from its vector.

        Args:
            vector: (D,) float32 of unit length, of the desk's model.
            known: what is known of it: `content` (the fingerprint of its file), `encounter`, `side`, `species` ...
            image_id: what to call it.
            photo: the photo itself, one row; a desk that re-ranks asks for it.
            top: as for `candidates`.

        Raises:
            InputError: when `top` is below 1, the vector has another length, or a photo is needed and not there.
            MismatchError: as for `candidates`.
        """
        state = self._now()
        if top < 1 or vector.shape != (state.board.embeddings.dimension,):
            raise InputError(
                f"expected top of at least 1 and {state.board.embeddings.dimension} numbers, found {top} and "
                f"{vector.shape}"
            )
        told = {name: value for name, value in known.items() if value and name != "content"}
        query = Query(image_id, vector, known, photo=photo)
        return state.found(query, Facts(image_id, None, told), {}, top, "individual")

    def match_lines(self, image_id: str, candidate_id: str, between: Between = lines_between) -> MatchLines:
        """Where two photos of the catalogue agree, keypoint by keypoint, as `between` finds it.

        Raises:
            UnknownNameError: when there is no such photo.
            InputError: when both are one, or (ImageError) one cannot be read.
        """
        if image_id == candidate_id:
            raise InputError(f"expected two photos to compare, found '{image_id}' twice")
        board = self._state.board
        return between(self.store.folder, board.photos.select(np.array([board.row(image_id), board.row(candidate_id)])))

    # Who there is

    def individuals(
        self,
        filter: Mapping[str, str] | None = None,  # noqa: A002  the reviewer's word for it
        *,
        starts: str = "",
        offset: int = 0,
        n: int = 50,
    ) -> tuple[list[Individual], int]:
        """A page of the individuals, by name, and how many there are.

        Args:
            filter: of their photos: column to value; of a date, its beginning.
            starts: beginning of the name, in whatever case.
            offset: how many to pass over.
            n: how many to give.

        Raises:
            UnknownNameError: when there is no such column.
            InputError: when a number is out of range.
        """
        if offset < 0 or n < 1:
            raise InputError(f"expected offset of at least 0 and n of at least 1, found {offset} and {n}")
        state = self._now()
        rows = np.flatnonzero(state.board.chosen(filter or {}) & (state.names.codes >= 0))
        codes, first, counts = np.unique(state.names.codes[rows], return_index=True, return_counts=True)
        found = [
            (state.names.names[code], int(rows[place]), int(count))
            for code, place, count in zip(codes.tolist(), first, counts, strict=True)
            if state.names.names[code].casefold().startswith(starts.casefold())
        ]
        found.sort()
        page = [Individual(name, count, (state.facts(row),)) for name, row, count in found[offset : offset + n]]
        return page, len(found)

    def individual(self, name: str) -> Individual:
        """An individual with all its photos, and the version of each.

        Raises:
            UnknownNameError: when nobody bears the name.
        """
        state = self._now()
        rows = state.names.rows_of(name)
        if not len(rows):
            raise UnknownNameError("individual", name, state.names_borne())
        versions = self.store.versions([str(state.board.photos.image_ids[row]) for row in rows])
        facts = tuple(state.facts(row) for row in rows.tolist())
        last = state.names.number  # what came after these names is not in them: it must be a conflict
        photos = tuple(replace(one, version=min(versions.get(one.image_id, 0), last)) for one in facts)
        dates = sorted(one.columns["date"] for one in photos if "date" in one.columns)
        return Individual(name, len(photos), photos, dates[0] if dates else None, dates[-1] if dates else None)

    def photo(self, image_id: str) -> Facts:
        """What is known of a photo.

        Raises:
            UnknownNameError: when there is no such photo.
        """
        version = self.store.versions([image_id]).get(image_id, 0)
        state = self._now()
        return replace(state.facts(state.board.row(image_id)), version=version)

    def photo_file(self, image_id: str) -> tuple[Path, tuple[float, ...] | None]:
        """The file of a photo and the box on it; the file lies in a folder that was indexed.

        Raises:
            UnknownNameError: when there is no such photo, or its file is a link that leads out of these folders.
        """
        board = self._state.board
        row = board.row(image_id)
        path = board.photos.photo(row).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in self.store.folders()):
            raise UnknownNameError("photo", image_id, ())
        box = board.photos.frame["box"][row]
        return path, None if box is None else tuple(box)

    def filters(self) -> dict[str, list[str]]:
        """The columns to filter by, each with its values: of a date, the months; of a column of too many, none."""
        return self._state.board.filters()

    def dashboard(self) -> Dashboard:
        """How far the catalogue is.

        Raises:
            StoreError: when the catalogue cannot be read.
        """
        state = self._now()
        return dashboard_of(state.board, state.names, len(self.store.judgements()))

    # What was decided

    def judge(self, judgement: Judgement, *, who: str) -> JournalEntry:
        """Write a judgement.

        Raises:
            ConflictError: when the photo is not as it was seen, or its candidate has lost the name.
            UnknownNameError: when there is no such photo or individual.
            InputError: when that was said before, or the name wished for is taken.
        """
        entry = self.store.judge(judgement, who=who)
        self.unskip(judgement.image_id, who=who)
        return entry

    def refresh(self) -> int:
        """Read photos and vectors again: what was indexed meanwhile is searchable; gives how many vectors came.

        Raises:
            StoreError: when the catalogue cannot be read.
        """
        with self._reading:  # one after the other: else one that began earlier might end later
            before = len(self._state.board.embeddings)
            state = State.read(self.store, self.model, self._compare)
            with self._lock:
                state.take_over(self._state)
                self._state = state
            return len(state.board.embeddings) - before

    def empty_vectors(self) -> Embeddings:
        """No vector of the desk's model: what a photo has that cannot be read."""
        return self._state.board.embeddings.select(np.zeros(0, np.int64))

    # How that is known

    def _now(self) -> State:
        """The state with all that the journal says by now."""
        state = self._state
        names = state.names.followed(self.store, state.board.row_of)
        if names is state.names:
            return state
        newer = replace(state, names=names)
        with self._lock:
            if self._state.board is state.board and self._state.names.number <= names.number:
                self._state = newer
        return newer

    def _item(self, state: State, ranking: Ranking, number: int, skipped: Mapping[str, None]) -> QueueItem:
        row = int(ranking.rows[number])
        image_id = str(state.board.photos.image_ids[row])
        p_wrong, best = float(ranking.p_wrong[number]), int(ranking.best[number])
        return QueueItem(
            image_id,
            state.names.name(row),
            round(float(ranking.teaches[number]), 6),
            None if math.isnan(p_wrong) else round(p_wrong, 6),
            None if best < 0 else state.names.names[best],
            image_id in skipped,
        )
