"""Decoding and embedding in processes of their own: a photo that kills its decoder kills nothing else."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resight.core import Catalogue
from resight.errors import ImageError, StoreError
from resight.serve.problems import Problem
from resight.serve.worker import answer_tasks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from resight.embed import EmbeddedBatch
    from resight.pipeline.review_nouns import MatchLines
    from resight.pipeline.review_weigher import Compare, Holder, Photos

__all__ = ["Workers"]

_STOP_S = 3.0
_N_TRIES = 2
_WEIGH_S = 600.0
"""How long weighing may take: of a thousand photos the first time, whose keypoints are looked for too."""


class Workers:
    """Processes that read photos, one photo at a time each; one that dies is replaced.

    A photo on which a process dies or stays too long is tried once more, on a fresh one: what happens to two
    processes that were ready is the photo's doing. That a process cannot start is never the photo's.

    Args:
        n_workers: processes.
        n_waiting: callers that may wait for one; more are refused.
        timeout_s: how long one photo may take.
        bundle: folder or zip of the model that embeds; None when its vectors were made elsewhere.
        max_bytes: of a photo.
        max_pixels: of a photo.
        start_timeout_s: how long a process may take until its model is loaded.

    Raises:
        StoreError: when the system gives no process.
    """

    def __init__(
        self,
        n_workers: int,
        n_waiting: int,
        timeout_s: float,
        bundle: Path | None,
        max_bytes: int,
        max_pixels: int,
        *,
        start_timeout_s: float = 300.0,
    ) -> None:
        self._timeout_s = timeout_s
        self._seats = threading.BoundedSemaphore(n_workers + n_waiting)
        self._all = [_Worker(start_timeout_s, bundle, max_bytes, max_pixels) for _ in range(n_workers)]
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._all:
            self._free.put(worker)

    @property
    def n_restarts(self) -> int:
        """How many processes were replaced so far."""
        return sum(worker.n_starts - 1 for worker in self._all)

    def embed(self, folder: Path, row: dict[str, Any], *, patient: bool = False) -> EmbeddedBatch:
        """The vector of one photo, or the reason why there is none.

        Args:
            folder: that its path is relative to.
            row: of a catalogue: image_id, path, and more.
            patient: wait however many wait already, as work in the background does.

        Raises:
            ImageError: when two processes died of it, or did not come back in time.
            StoreError: when no process can start.
            Problem: 503 when too many wait.
        """
        found: EmbeddedBatch = self._run("embed", (folder, row), row["path"], patient=patient)
        return found

    def picture(self, path: Path, side_px: int, box: Sequence[float] | None) -> bytes:
        """A photo as a small JPEG.

        Raises:
            ImageError: when it cannot be read, or as for `embed`.
            StoreError: when no process can start.
            Problem: 503 when too many wait.
        """
        told: bytes = self._run("picture", (path, side_px, box), path.name)
        return told

    def lines(self, folder: Path, pair: Catalogue) -> MatchLines:
        """Where two photos agree, as `resight.pipeline.review_lines.lines_between` finds it.

        Args:
            folder: of the catalogue, which keeps what is found.
            pair: the two photos.

        Raises:
            ImageError: when one cannot be read, or as for `embed`.
            StoreError: when no process can start.
            Problem: 503 when too many wait.
        """
        found: MatchLines = self._run("lines", (folder, pair), " and ".join(pair.frame["path"]))
        return found

    def weigh(self, holder: Holder) -> Compare:
        """What holds photos against each other as a holder does, in these processes.

        Raises:
            ImageError: by what it gives, as for `embed`; and whatever the holder raises.
            StoreError: likewise, when no process can start or too many wait.
        """

        def compare(one: Photos, others: Photos, fitted: str) -> npt.NDArray[np.float64]:
            arguments, path = (holder, one, others, fitted), one.catalogue.frame["path"][0]
            try:
                found: npt.NDArray[np.float64] = self._run("weigh", arguments, path, timeout_s=_WEIGH_S)
            except Problem as error:
                raise StoreError(str(error.detail)) from error
            return found

        return compare

    def pids(self) -> list[int]:
        """The processes that are free now."""
        return [worker.pid for worker in list(self._free.queue)]

    def close(self) -> None:
        """End the processes, those at work too."""
        for worker in self._all:
            worker.close()

    def _run(
        self, task: str, arguments: tuple[Any, ...], path: str, *, patient: bool = False, timeout_s: float = 0.0
    ) -> Any:
        if not patient and not self._seats.acquire(blocking=False):
            raise Problem(503, "expected a free place in the queue, found it full: come again", {"Retry-After": "2"})
        try:
            worker = self._free.get()
            try:
                return self._tried(worker, task, arguments, path, timeout_s or self._timeout_s)
            finally:
                self._free.put(worker)
        finally:
            if not patient:
                self._seats.release()

    def _tried(self, worker: _Worker, task: str, arguments: tuple[Any, ...], path: str, timeout_s: float) -> Any:
        reason = ""
        for _ in range(_N_TRIES):
            worker.be_ready()
            try:
                return worker.run(task, arguments, timeout_s)
            except TimeoutError:
                reason = "reading it took too long"
            except (EOFError, OSError):
                reason = "reading it broke the process that did"
            worker.start()
        raise ImageError(path, reason)


class _Worker:
    """One process at a time, and the line to it; used by one thread, closed by any."""

    def __init__(self, start_timeout_s: float, bundle: Path | None, max_bytes: int, max_pixels: int) -> None:
        self._start_timeout_s = start_timeout_s
        self._arguments = (bundle, max_bytes, max_pixels)
        self._lock = threading.Lock()
        self._process: Any = None
        self._is_ready = self._is_closed = False
        self.n_starts = 0
        self.start()

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    def start(self) -> None:
        """A fresh process in the place of the one before, which is ended."""
        with self._lock:
            if self._is_closed:
                raise StoreError("expected a service that reads photos, found that it is ending: come again")
            if self._process is not None:
                self._line.close()
                self._end()
            self._is_ready = False
            try:
                self._begin()
            except OSError as error:
                raise StoreError(f"expected a process that reads photos, found: {error.strerror or error}") from error
            self.n_starts += 1

    def be_ready(self) -> None:
        """Wait until the model is loaded, by a fresh process where this one is gone."""
        if self._is_ready and self._process.is_alive():
            return
        if self._is_ready:
            self.start()  # it died while it had nothing to do
        if self._has_loaded():
            return
        self.start()  # what ended it, such as a want of memory, may have passed
        if not self._has_loaded():
            raise StoreError(
                "expected a process that reads photos, found that it ends before its model is loaded, or takes more "
                f"than {self._start_timeout_s:g} s: see whether memory is short"
            )

    def run(self, task: str, arguments: tuple[Any, ...], timeout_s: float) -> Any:
        self._line.send((task, arguments))
        if not self._line.poll(timeout_s):
            raise TimeoutError
        answer, error = self._line.recv()
        if error is not None:
            raise error
        return answer

    def close(self) -> None:
        """End it for good; whoever waits for its answer hears that it is gone."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        with theirs:  # closed here, so that its death is heard
            arguments = (theirs, *self._arguments)
            self._process = context.Process(target=answer_tasks, args=arguments, daemon=True, name="resight-decoder")
            self._process.start()

    def _has_loaded(self) -> bool:
        try:
            if not self._line.poll(self._start_timeout_s):
                return False
            found = self._line.recv()
        except (EOFError, OSError):
            return False
        if found is not None:
            raise StoreError(f"expected a model that can be loaded, found otherwise: {found}")
        self._is_ready = True
        return True

    def _end(self) -> None:
        if self._process.pid is None:
            return
        self._process.kill()  # it keeps nothing that is not whole
        self._process.join(_STOP_S)
