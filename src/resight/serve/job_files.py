"""What a job is, and how it is kept: a file in the catalogue's folder `jobs/`, its photos in a folder of `photos/`.

A file is replaced as a whole. Photos are written into a folder whose name begins with a point, which is renamed when
the disk has them all: so what an upload left that never ended is told from what is a job's.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from resight.errors import StoreError, UnknownNameError

__all__ = ["PHOTOS", "Job", "JobFiles", "image_id_of", "safe_name"]

_LOG = logging.getLogger(__name__)
PHOTOS = "photos"
"""The folder of a catalogue for photos that were sent in."""
_JOBS = "jobs"
_ID = re.compile(r"[0-9a-z-]{8,40}")
_DRAFT = re.compile(r"\.\d{8}-\d{6}-[0-9a-f]{8}")
_QUIET_S = 600.0
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Job:
    """Photos that were sent in together.

    Args:
        job_id: its name, and that of its folder.
        who: sent them.
        at: time in UTC, ISO 8601.
        photos: the files, relative to the folder `photos/`.
        columns: what was said of all of them: species, side, date, place, encounter.
        state: waiting, running, done; failed when it cannot succeed.
        n_done: photos that have a vector or that failed, as the catalogue said when this was written.
        failures: photos that cannot be read: image id and reason, as the catalogue said then.
        reason: why the job failed as a whole, or why it waits.
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

    @property
    def image_ids(self) -> tuple[str, ...]:
        """What the catalogue calls its photos."""
        return tuple(map(image_id_of, self.photos))

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {**asdict(self), "n_photos": len(self.photos), "image_ids": list(self.image_ids)}


class JobFiles:
    """The jobs of a catalogue on disk.

    Args:
        folder: of the catalogue.
    """

    def __init__(self, folder: Path) -> None:
        self.photos, self._jobs = folder / PHOTOS, folder / _JOBS

    def keep(self, photos: Sequence[tuple[str, BinaryIO]], columns: dict[str, str], who: str) -> Job:
        """Write photos and the job that is to be done with them; when this returns, the disk has both.

        Args:
            photos: name and content of each.
            columns: what was said of all of them.
            who: sent them.

        Raises:
            StoreError: when the disk refuses; nothing is left then.
        """
        self.sweep()
        now = datetime.now(UTC)
        job_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        names = [safe_name(number, name) for number, (name, _) in enumerate(photos, 1)]
        paths = tuple(f"{job_id}/{name}" for name in names)
        job = Job(job_id, who, now.isoformat(timespec="seconds"), paths, columns)
        draft, place = self.photos / f".{job_id}", self.photos / job_id
        try:
            draft.mkdir(parents=True)
            for name, (_, content) in zip(names, photos, strict=True):
                _copy(content, draft / name)
            _flush_folder(draft)
            draft.rename(place)
            _flush_folder(self.photos)
            self.write(job)
        except BaseException as error:
            (self._jobs / f"{job_id}.json").unlink(missing_ok=True)
            for left in (draft, place):
                shutil.rmtree(left, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreError(f"expected to keep photos in {self.photos}, found: {_in_words(error)}") from error
            raise
        return job

    def write(self, job: Job) -> None:
        """Replace the file of a job.

        Raises:
            StoreError: when the disk refuses.
        """
        beside = self._jobs / f".{job.job_id}.{os.getpid()}.tmp"
        try:
            self._jobs.mkdir(exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                json.dump(asdict(job), file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._jobs / f"{job.job_id}.json")
            _flush_folder(self._jobs)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise StoreError(f"expected to write to {self._jobs}, found: {_in_words(error)}") from error

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            UnknownNameError: when there is no such job.
            StoreError: when its file cannot be read.
        """
        place = self._jobs / f"{job_id}.json"
        if not _ID.fullmatch(job_id) or not place.is_file():
            raise UnknownNameError("job", job_id, ())
        try:
            data = json.loads(place.read_text(encoding="utf-8"))
            pairs = tuple((str(name), str(why)) for name, why in data.pop("failures"))
            columns = {str(name): str(value) for name, value in data.pop("columns").items()}
            return Job(**{**data, "photos": tuple(map(str, data["photos"]))}, columns=columns, failures=pairs)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"expected a job in {place}, found that it cannot be read ({error}): restore that file from a copy; "
                f"its photos lie in {self.photos / job_id}"
            ) from error

    def all(self) -> list[Job]:
        """The jobs, the oldest first; one whose file cannot be read is left out, and the log says so."""
        jobs = []
        for path in sorted(self._jobs.glob("*.json")):
            try:
                jobs.append(self.get(path.stem))
            except (StoreError, UnknownNameError) as error:
                _LOG.warning("a job is left out: %s", error)
        return jobs

    def sweep(self) -> None:
        """Remove what uploads left that never ended, but for what may be written just now."""
        for place in self.photos.glob(".*"):
            with suppress(OSError):
                is_old = time.time() - place.stat().st_mtime > _QUIET_S
                if is_old and _DRAFT.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                    _LOG.warning("an upload that never ended is removed: %s", place)


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


def image_id_of(path: str) -> str:
    """What the catalogue calls a photo of a job, from its path in `photos/`."""
    return f"{PHOTOS}/{path}"


def _copy(content: BinaryIO, place: Path) -> None:
    with place.open("wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where the system can say so."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _in_words(error: OSError) -> str:
    return str(error.strerror or error)
