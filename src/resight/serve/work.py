"""Decoding and embedding in processes of their own: a photo that kills its decoder kills nothing else."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resight.errors import ImageError, ResightError
from resight.serve.problems import Problem

if TYPE_CHECKING:
    from resight.embed import EmbeddedBatch

__all__ = ["Workers"]

_STOP_S = 5.0


class Workers:
    """Processes that read photos, one photo at a time each; one that dies is replaced.

    Args:
        n_workers: processes.
        n_waiting: callers that may wait for one; more are refused.
        timeout_s: how long one photo may take.
        bundle: folder or zip of the model that embeds; None when its vectors were made elsewhere.
        max_bytes: of a photo.
        max_pixels: of a photo.
    """

    def __init__(
        self, n_workers: int, n_waiting: int, timeout_s: float, bundle: Path | None, max_bytes: int, max_pixels: int
    ) -> None:
        self._options = (bundle, max_bytes, max_pixels)
        self._timeout_s = timeout_s
        self._seats = threading.BoundedSemaphore(n_workers + n_waiting)
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self.n_restarts = 0
        for _ in range(n_workers):
            self._free.put(_Worker(*self._options))

    def embed(self, folder: Path, row: dict[str, Any], *, patient: bool = False) -> EmbeddedBatch:
        """The vector of one photo, or the reason why there is none.

        Args:
            folder: that its path is relative to.
            row: of a catalogue: image_id, path, and more.
            patient: wait however many wait already, as work in the background does.

        Raises:
            ImageError: when the worker died of it, or did not come back in time.
            Problem: 503 when too many wait.
        """
        found: EmbeddedBatch = self._run("embed", (str(folder), row), row["path"], patient=patient)
        return found

    def picture(self, path: Path, side_px: int, box: Sequence[float] | None) -> bytes:
        """A photo as a small JPEG.

        Raises:
            ImageError: when it cannot be read, or the worker died of it.
            Problem: 503 when too many wait.
        """
        told: bytes = self._run("picture", (str(path), side_px, box), path.name)
        return told

    def pids(self) -> list[int]:
        """The processes that are free now."""
        return [worker.pid for worker in list(self._free.queue)]

    def close(self) -> None:
        """End the processes; those at work are given a moment."""
        with suppress(queue.Empty):
            while True:
                self._free.get(timeout=0.2).close()

    def _run(self, task: str, arguments: tuple[Any, ...], path: str, *, patient: bool = False) -> Any:
        if not patient and not self._seats.acquire(blocking=False):
            raise Problem(503, "expected a free place in the queue, found it full: come again", {"Retry-After": "2"})
        try:
            worker = self._free.get()
            try:
                return worker.run(task, arguments, self._timeout_s)
            except (EOFError, OSError, TimeoutError) as error:
                late = isinstance(error, TimeoutError)
                worker.close()
                worker = _Worker(*self._options)
                self.n_restarts += 1
                reason = "reading it took too long" if late else "reading it broke the process that did"
                raise ImageError(path, reason) from error
            finally:
                self._free.put(worker)
        finally:
            if not patient:
                self._seats.release()


class _Worker:
    """One process, and the line to it."""

    def __init__(self, bundle: Path | None, max_bytes: int, max_pixels: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        arguments = (theirs, None if bundle is None else str(bundle), max_bytes, max_pixels)
        self._process = context.Process(target=_serve, args=arguments, daemon=True, name="resight-decoder")
        self._process.start()
        theirs.close()  # so that its death is heard

    @property
    def pid(self) -> int:
        return int(self._process.pid or 0)

    def run(self, task: str, arguments: tuple[Any, ...], timeout_s: float) -> Any:
        self._line.send((task, arguments))
        if not self._line.poll(timeout_s):
            raise TimeoutError
        answer, error = self._line.recv()
        if error is not None:
            raise error
        return answer

    def close(self) -> None:
        self._line.close()
        self._process.terminate()
        self._process.join(_STOP_S)
        if self._process.is_alive():
            self._process.kill()


def _serve(line: Connection, bundle: str | None, max_bytes: int, max_pixels: int) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service says when it ends
    from resight.images import ImageLimits

    limits = ImageLimits(max_bytes, max_pixels)
    tasks: dict[str, Callable[..., Any]] = {"embed": _embedder(bundle, limits), "picture": _picturer(limits)}
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            task, arguments = line.recv()
            try:
                line.send((tasks[task](*arguments), None))
            except ResightError as error:
                line.send((None, error))


def _embedder(place: str | None, limits: Any) -> Callable[..., Any]:
    from resight.embed import Bundle, embed_all

    bundle = None if place is None else Bundle.load(place, threads=1)

    def embed(folder: str, row: dict[str, Any]) -> Any:
        import polars as pl

        from resight.core import Catalogue
        from resight.errors import InputError

        if bundle is None:
            raise InputError("expected a model to embed photos with, found vectors that were made elsewhere")
        photo = Catalogue(pl.DataFrame([row]), Path(folder))
        return embed_all(photo, bundle, limits=limits, show_progress=False)

    return embed


def _picturer(limits: Any) -> Callable[..., Any]:
    from resight.images import thumbnail

    def picture(path: str, side_px: int, box: Sequence[float] | None) -> bytes:
        return thumbnail(Path(path), side_px, box, limits)

    return picture
