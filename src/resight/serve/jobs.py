"""Photos that were sent in, many at once: saved first, then indexed in the background, whatever is killed meanwhile.

What became of each photo stands in the catalogue, and nowhere else: a job's file only repeats it. What was not done
when the service ended is done when it starts again; what failed for a reason that may pass is tried again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from resight.core import Catalogue
from resight.embed import EmbeddedBatch, Failure
from resight.errors import ImageError, MismatchError, NotFittedError, ResightError, StoreError
from resight.pipeline.review import ReviewDesk
from resight.serve.job_files import PHOTOS, Job, JobFiles, image_id_of
from resight.serve.work import Workers

__all__ = ["Jobs"]

_LOG = logging.getLogger(__name__)
_N_TOGETHER = 16
_N_TRIES = 10
_LONGEST_PAUSE_S = 60.0


class Jobs:
    """The jobs of a catalogue, and the thread that does them one after the other.

    Args:
        desk: of the catalogue; told when photos came.
        workers: that read and embed.
        pause_s: before the first further try of what failed for a reason that may pass; each next one is twice as long.
    """

    def __init__(self, desk: ReviewDesk, workers: Workers, *, pause_s: float = 1.0) -> None:
        self._desk, self._workers, self._pause_s = desk, workers, pause_s
        self._files = JobFiles(desk.store.folder)
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._n_tries: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True, name="jobs")

    def start(self) -> None:
        """Go on with what was not done."""
        self._files.sweep()
        for job in self._files.all():
            if not job.is_over:
                self._queue.put(job.job_id)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the photo in hand; the job goes on when the service starts again."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def add(self, photos: Sequence[tuple[str, BinaryIO]], columns: dict[str, str], who: str) -> Job:
        """Keep photos, and index them in their turn.

        Args:
            photos: name and content of each.
            columns: what is known of all of them.
            who: sends them.

        Raises:
            StoreError: when the disk refuses; nothing is kept then.
        """
        job = self._files.keep(photos, columns, who)
        self._queue.put(job.job_id)
        return job

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            UnknownNameError: when there is no such job.
            StoreError: when its file cannot be read.
        """
        return self._files.get(job_id)

    def all(self) -> list[Job]:
        """The jobs, the oldest first; one whose file cannot be read is left out, and the log says so."""
        return self._files.all()

    def _work(self) -> None:
        while not self._stopping.is_set() and (job_id := self._queue.get()) is not None:
            try:
                self._try(job_id)
            except Exception:  # noqa: BLE001  the thread lives on for the next job
                _LOG.exception("job %s stopped; it goes on when the service starts again", job_id)

    def _try(self, job_id: str) -> None:
        try:
            self._do(self.get(job_id))
        except (StoreError, NotFittedError, MismatchError, OSError, MemoryError) as error:
            self._put_off(job_id, str(error) or "memory is short")
        except ResightError as error:
            self._fail(job_id, str(error))
        except Exception:  # noqa: BLE001  whatever it was, it would come again
            _LOG.exception("job %s failed", job_id)
            self._fail(job_id, "the service failed; its log says more")

    def _fail(self, job_id: str, reason: str) -> None:
        self._files.write(replace(self.get(job_id), state="failed", reason=reason))

    def _put_off(self, job_id: str, reason: str) -> None:
        """Let a job wait for what may pass; after some tries in vain, until the service starts again."""
        pause_s = min(self._pause_s * 2 ** self._n_tries[job_id], _LONGEST_PAUSE_S)
        self._n_tries[job_id] += 1
        is_last = self._n_tries[job_id] >= _N_TRIES
        _LOG.warning("job %s waits: %s", job_id, reason)
        try:
            then = f"{reason} (it goes on when the service starts again)" if is_last else reason
            self._files.write(replace(self.get(job_id), state="waiting", reason=then))
        finally:
            if not is_last and not self._stopping.wait(pause_s):
                self._queue.put(job_id)

    def _do(self, job: Job) -> None:
        store, job = self._desk.store, replace(job, state="running", reason="")
        store.register(self._all_photos(), who=job.who)
        mine = set(job.image_ids)
        pending = [row for row in store.pending(self._desk.model) if row["image_id"] in mine]
        root = store.catalogue().root
        for n_before, row in enumerate(pending):
            stops = self._stopping.is_set()
            if stops or n_before % _N_TOGETHER == 0:
                self._tell(job, len(pending) - n_before)
            if stops:
                return
            store.add(self._embedded(root, row))
            self._n_tries.pop(job.job_id, None)
        self._desk.refresh()
        self._tell(replace(job, state="done"), 0)

    def _tell(self, job: Job, n_left: int) -> None:
        """Write how far a job is, in the words of the catalogue."""
        mine = set(job.image_ids)
        failures = tuple((one.image_id, one.reason) for one in self._desk.store.failures(self._desk.model))
        failed = tuple(pair for pair in failures if pair[0] in mine)
        self._files.write(replace(job, n_done=len(job.photos) - n_left, failures=failed))

    def _embedded(self, root: Path, row: dict[str, Any]) -> EmbeddedBatch:
        try:
            return self._workers.embed(root, row, patient=True)
        except ImageError as error:
            nothing = self._desk.empty_vectors()
            return EmbeddedBatch(nothing, {}, {}, (Failure(row["image_id"], row["path"], error.reason),))

    def _all_photos(self) -> Catalogue:
        """The photos of all jobs, and those of a job whose file is gone: to register a folder means all of it."""
        rows = [
            {"image_id": image_id_of(path), "path": path, **job.columns} for job in self.all() for path in job.photos
        ]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        known = self._desk.store.catalogue()
        place = self._files.photos.resolve()
        further = known.frame.filter(
            pl.col("image_id").str.starts_with(f"{PHOTOS}/") & ~pl.col("image_id").is_in(frame["image_id"].to_list())
        )
        paths = [known.root / path for path in further["path"]]
        is_here = pl.Series([path.is_relative_to(place) for path in paths], dtype=pl.Boolean)
        if is_here.any():
            names = [path.relative_to(place).as_posix() for path in paths if path.is_relative_to(place)]
            kept = (
                further.filter(is_here).drop("identity", "content").with_columns(path=pl.Series(names, dtype=pl.String))
            )
            frame = pl.concat([frame, kept], how="diagonal_relaxed")
        return Catalogue(frame, place)
