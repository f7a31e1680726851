"""What runs on a worker: one bundle, loaded once, and partition after partition."""

from __future__ import annotations

from pathlib import Path

from resight.embed import Bundle, EmbeddedBatch, Engine, embed_all
from resight.scale.partitions import Partition, PartitionFolder
from resight.scale.remote import fetch

__all__ = ["EmbedPartition"]


class EmbedPartition:
    """Embeds partitions and writes their files; lives as long as its worker.

    Args:
        bundle: folder or zip of the bundle, which the worker can reach.
        folder: of the partitions, which it can reach too.
        n_threads: photos that it embeds side by side.
        engine: what runs the bundle.

    Raises:
        InputError: when what lies there is not a bundle.
    """

    def __init__(self, bundle: str, folder: str, n_threads: int, engine: Engine = "onnxruntime") -> None:
        self._bundle = Bundle.load(Path(bundle), threads=n_threads, engine=engine)
        self._partitions = PartitionFolder(Path(folder))

    def __call__(self, row: dict[str, str]) -> dict[str, str]:
        """Make sure that a partition is done: one that another worker finished before it was killed stays as it is.

        Args:
            row: `partition`, as `Partition.to_text` wrote it.

        Raises:
            StoreError: when that was tried too often.
            OSError: when the disk refuses.
        """
        partition = Partition.from_text(row["partition"])
        if not self._partitions.holds(partition):
            self._partitions.count_try(partition)
            self._partitions.write(partition, self._embedded(partition))
        return {"done": partition.name}

    def _embedded(self, partition: Partition) -> EmbeddedBatch:
        return embed_all(partition.photos(), self._bundle, show_progress=False, fetch=fetch)
