"""Embedding by the workers of Ray: partitions are dealt out, written by who embeds them, and gathered in order."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resight.core import Catalogue
from resight.embed import EmbeddedBatch
from resight.errors import ConfigError, ImageError, StoreError
from resight.machine import usable_cores
from resight.progress import progress
from resight.scale.cluster import connected, require_ray
from resight.scale.partitions import Partition, PartitionFolder
from resight.scale.worker import EmbedPartition
from resight.store.alone import alone

__all__ = ["RayEngine"]

_PARTITIONS_PER_WORKER = 16  # so that none waits long for the last ones
_N_IN_HAND = 2  # partitions sent to a worker: the next one is there when it is done with one
_LOCK = "lock"
# The last line of a trace; what Ray Data wraps around it says nothing.
_RAISED = re.compile(r"(?:\w+\.)*(?!UserCodeException)\w+(?:Error|Exception)(?:\(\w+\))?: (?P<said>\S.*)")


@dataclass(frozen=True)
class RayEngine:
    """Embeds the photos of a catalogue on the workers of Ray Data, for `index_photos(..., engine=RayEngine())`.

    Photos are cut into partitions, in their order. A worker writes what became of a partition to a file of its own,
    and the files are gathered in that order: the vectors are those of embedding in one process, and on processors of
    one kind the same to the last bit. What a killed worker had in hand is done again by another one; a run that was
    killed itself is gone on with, and no finished partition is done twice.

    Args:
        n_workers: processes, each with a bundle of its own; None means one per core of this machine.
        n_threads: photos that a worker embeds side by side, and cores that it is given; None shares the cores of
            this machine out, which is right where Ray runs on this machine only.
        address: of a Ray cluster; None takes that of the environment variable `RAY_ADDRESS`, else starts Ray on this
            machine, listening on loopback only, for as long as the run. Photos and catalogue must be reached by all
            workers under the same paths, and resight must be installed there.
        partition_size: photos of a partition, at most.
        gpus: of a worker, 0 for none; a part lets several workers share one. Bundles then run by the engine "cuda".

    Raises:
        ConfigError: when a number is not positive.
        MissingExtraError: when Ray is not installed.
    """

    n_workers: int | None = None
    n_threads: int | None = None
    address: str | None = None
    partition_size: int = 256
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers, and that Ray is there."""
        for key in ("n_workers", "n_threads", "partition_size"):
            number = getattr(self, key)
            if number is not None and number < 1:
                raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
        if not 0 <= self.gpus <= 1:
            raise ConfigError(f"expected gpus from 0 to 1 for each worker, found {self.gpus:g}", key="gpus")
        require_ray()

    def embed(self, photos: Catalogue, bundle: Path, folder: Path, *, strict: bool = False) -> Iterator[EmbeddedBatch]:
        """What became of the photos, partition by partition in their order.

        The file of a partition goes when the next one is asked for: what was taken is stored by then.

        Args:
            photos: to embed.
            bundle: folder or zip of the bundle; all workers must reach it.
            folder: where the partitions lie until they are gathered; all workers must reach it. It goes at the end.
            strict: raise at the first photo that failed.

        Raises:
            ImageError: with `strict`, for the first photo that failed.
            InputError: when another run works in the same folder.
            StoreError: when there is no cluster, a partition kills its workers again and again, or the disk refuses.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"expected a folder for partitions at {folder}, found: {error.strerror}") from error
        with alone(folder, _LOCK, "embeds"), progress("embedding", len(photos)) as done:
            files = PartitionFolder(folder.resolve())
            partitions = [(one, files.holds(one)) for one in files.plan(photos, self._size(len(photos)))]
            missing = [one for one, is_done in partitions if not is_done]
            with closing(self._embedded(missing, bundle, files)) as embedded:
                for partition, is_done in partitions:
                    if not is_done:
                        next(embedded)
                    yield _gathered(files, partition, strict=strict)
                    done(len(partition.rows))
                    files.remove(partition)
            (folder / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # another run may have come meanwhile
            folder.rmdir()

    def _embedded(self, partitions: list[Partition], bundle: Path, files: PartitionFolder) -> Generator[None]:
        """Wait for one partition after the other, in their order, until its file is there."""
        if not partitions:
            return
        n_workers = min(self.n_workers or usable_cores(), len(partitions))
        n_threads = self.n_threads or max(1, usable_cores() // n_workers)
        with connected(self.address, n_workers * n_threads, self.gpus) as data:
            engine = "cuda" if self.gpus else "onnxruntime"
            arguments = str(bundle.resolve()), str(files.folder), n_threads, engine
            rows = [{"partition": one.to_text()} for one in partitions]
            dataset = _dataset(data, rows).map(
                EmbedPartition,
                fn_constructor_args=arguments,
                compute=data.ActorPoolStrategy(size=n_workers, max_tasks_in_flight_per_actor=_N_IN_HAND),
                num_cpus=n_threads,
                num_gpus=self.gpus,
            )
            try:
                for _ in dataset.iter_rows():
                    yield
            except Exception as error:
                raise _told(error) from error

    def _size(self, n_photos: int) -> int:
        """Photos of a partition: few photos are shared out too."""
        n_partitions = _PARTITIONS_PER_WORKER * (self.n_workers or usable_cores())
        return max(1, min(self.partition_size, -(-n_photos // n_partitions)))


def _dataset(data: Any, rows: list[dict[str, str]]) -> Any:
    """One block per partition, so that each is a task of its own; whatever order they end in, they come in theirs."""
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    with data.DataContext.current(context):
        return data.from_items(rows, override_num_blocks=len(rows))


def _gathered(files: PartitionFolder, partition: Partition, *, strict: bool) -> EmbeddedBatch:
    batch = files.read(partition)
    if strict and batch.failures:
        files.remove(partition)  # the next run looks again
        first = batch.failures[0]
        raise ImageError(Path(partition.root, first.path), first.reason)
    return batch


def _told(error: Exception) -> StoreError:
    """What a worker said last, out of the traces that Ray wraps around it."""
    lines = f"{error.__cause__ or ''}\n{error}".splitlines()
    said = [found["said"] for line in lines if (found := _RAISED.fullmatch(line.strip()))]
    return StoreError(
        f"expected the workers of Ray to embed the photos, found: {said[-1] if said else type(error).__name__}; "
        "what is done is kept, and the same command goes on from there"
    )
