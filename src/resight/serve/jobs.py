"""Photos that were sent in, many at once: saved first, then indexed in the background, whatever is killed meanwhile.

A job is a file in the catalogue's folder `jobs/`, replaced as a whole at each step; its photos lie in `photos/`, in a
folder of its own. What was not done when the service ended is done when it starts again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import secrets
import threading
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from resight.core import Catalogue
from resight.embed import EmbeddedBatch, Failure
from resight.errors import ImageError, ResightError, StoreError, UnknownNameError
from resight.pipeline.review import ReviewDesk
from resight.serve.work import Workers

__all__ = ["Job", "Jobs", "safe_name"]

_LOG = logging.getLogger(__name__)
_PHOTOS, _JOBS = "photos", "jobs"
_ID = re.compile(r"[0-9a-z-]{8,40}")
_LONGEST_NAME = 60
_N_TOGETHER = 16


@dataclass(frozen=True)
class Job:
    """Photos that were sent in together.

    Args:
        job_id: its name, and that of its folder.
        who: sent them.
        at: time in UTC, ISO 8601.
        photos: the files, relative to the folder `photos/`.
        columns: what was said of all of them: species, side, date, encounter ...
        state: waiting, running, done, or failed as a whole.
        n_done: photos that are searchable or that failed.
        failures: photos that cannot be read: file and reason.
        reason: why the job failed as a whole.
    """

    job_id: str
    who: str
    at: str
    photos: tuple[str, ...]
    columns: dict[str, str] = field(default_factory=dict)
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    n_done: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed")

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "n_photos": len(self.photos), "image_ids": [_image_id(one) for one in self.photos]}


class Jobs:
    """The jobs of a catalogue, and the thread that does them one after the other.

    Args:
        desk: of the catalogue; told when photos came.
        workers: that read and embed.
    """

    def __init__(self, desk: ReviewDesk, workers: Workers) -> None:
        self._desk, self._workers = desk, workers
        self._folder = desk.store.folder / _JOBS
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True, name="jobs")

    def start(self) -> None:
        """Go on with what was not done."""
        for job in self.all():
            if not job.is_over:
                self._queue.put(job.job_id)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the photo in hand; the job goes on when the service starts again."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def folder(self) -> tuple[str, Path]:
        """The name of a job to come, and an empty folder for its photos.

        Raises:
            StoreError: when the disk refuses.
        """
        job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        place = self._desk.store.folder / _PHOTOS / job_id
        try:
            place.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"expected a folder for photos at {place}, found: {error.strerror or error}") from error
        return job_id, place

    def add(self, job_id: str, files: list[str], columns: dict[str, str], who: str) -> Job:
        """Take over photos that lie in the folder of a job.

        Raises:
            StoreError: when the disk refuses.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(job_id, who, at, tuple(f"{job_id}/{name}" for name in files), columns)
        self._write(job)
        self._queue.put(job_id)
        return job

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            UnknownNameError: when there is no such job.
        """
        if not _ID.fullmatch(job_id) or not (self._folder / f"{job_id}.json").is_file():
            raise UnknownNameError("job", job_id, ())
        data = json.loads((self._folder / f"{job_id}.json").read_text(encoding="utf-8"))
        pairs = tuple((str(name), str(why)) for name, why in data.pop("failures"))
        return Job(**{**data, "photos": tuple(data["photos"])}, failures=pairs)

    def all(self) -> list[Job]:
        """The jobs, the oldest first."""
        return [self.get(path.stem) for path in sorted(self._folder.glob("*.json"))]

    def _write(self, job: Job) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            beside = self._folder / f".{job.job_id}.{os.getpid()}.tmp"
            beside.write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
            beside.replace(self._folder / f"{job.job_id}.json")
        except OSError as error:
            raise StoreError(f"expected to write to {self._folder}, found: {error.strerror or error}") from error

    def _work(self) -> None:
        while not self._stopping.is_set() and (job_id := self._queue.get()) is not None:
            job = self.get(job_id)
            try:
                self._do(job)
            except ResightError as error:
                self._write(replace(self.get(job_id), state="failed", reason=str(error)))
            except Exception:  # noqa: BLE001  the thread lives on for the next job
                _LOG.exception("job %s failed", job_id)
                self._write(replace(self.get(job_id), state="failed", reason="the service failed; its log says more"))

    def _do(self, job: Job) -> None:
        store = self._desk.store
        store.register(self._all_photos(), who=job.who)
        mine = {_image_id(one) for one in job.photos}
        pending = [row for row in store.pending(self._desk.model) if row["image_id"] in mine]
        root = store.catalogue().root
        failures = dict(job.failures)
        for start in range(0, len(pending), _N_TOGETHER):
            for row in pending[start : start + _N_TOGETHER]:
                if self._stopping.is_set():
                    return
                batch = self._embedded(root, row)
                store.add(batch)
                failures |= {one.image_id: one.reason for one in batch.failures}
            n_left = max(len(pending) - start - _N_TOGETHER, 0)
            n_done = len(job.photos) - n_left
            self._write(replace(job, state="running", n_done=n_done, failures=tuple(failures.items())))
        self._desk.refresh()
        self._write(replace(job, state="done", n_done=len(job.photos), failures=tuple(failures.items())))

    def _embedded(self, root: Path, row: dict[str, Any]) -> EmbeddedBatch:
        try:
            return self._workers.embed(root, row, patient=True)
        except ImageError as error:
            nothing = self._desk.empty_vectors()
            return EmbeddedBatch(nothing, {}, {}, (Failure(row["image_id"], row["path"], error.reason),))

    def _all_photos(self) -> Catalogue:
        """The photos of all jobs: registering a folder means all that is in it."""
        rows = [{"image_id": _image_id(path), "path": path, **job.columns} for job in self.all() for path in job.photos]
        frame = pl.DataFrame(rows, infer_schema_length=None)
        return Catalogue(frame, self._desk.store.folder / _PHOTOS)


def safe_name(number: int, name: str) -> str:
    """A file name for a photo that came under whatever name: a number, and what of the name is plain.

    Example:
        >>> safe_name(7, "../../Nala & co.JPG")
        '0007-nala-co.jpg'
    """
    stem, dot, ending = Path(name.replace("\\", "/")).name.rpartition(".")
    plain = re.sub(r"[^a-z0-9]+", "-", (stem if dot else ending).lower()).strip("-")[:_LONGEST_NAME]
    suffix = re.sub(r"[^a-z0-9]+", "", ending.lower())[:5] if dot else ""
    return f"{number:04d}" + (f"-{plain}" if plain else "") + f".{suffix or 'jpg'}"


def _image_id(path: str) -> str:
    return f"{_PHOTOS}/{path}"
