"""Made-up keypoints, and a process that keeps them and may be killed.

Run as a script it reads the folders of caches, one a line, and forks a child for each: it answers with
the child's process id, then its exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resight.store.local_features import FeatureCache

MODEL = "toy.1"
DIMENSION = 6
N_PHOTOS, N_AT_ONCE = 24, 3


@dataclass
class FakeKeypoints:
    points: np.ndarray
    frames: np.ndarray
    codes: np.ndarray
    size: tuple[int, int]


def keypoints_of(number: int, *, dimension: int = DIMENSION, dtype: type = np.uint8) -> FakeKeypoints:
    """Of photo 0, 7, 14 … there are none."""
    rng, n = np.random.default_rng(number), number % 7 * 11
    pairs = rng.normal(size=(2, n, 2)).astype(np.float32)
    return FakeKeypoints(*pairs, rng.integers(0, 100, (n, dimension)).astype(dtype), (100 + number, 80))


def key_of(number: int) -> str:
    return f"key-{number:03}"


def batches() -> Iterator[tuple[list[str], list[FakeKeypoints]]]:
    for start in range(0, N_PHOTOS, N_AT_ONCE):
        numbers = range(start, start + N_AT_ONCE)
        yield [key_of(number) for number in numbers], [keypoints_of(number) for number in numbers]


def keep_all(folder: Path) -> None:
    cache = FeatureCache(folder, MODEL, timeout_s=60)
    for keys, photos in batches():
        cache.add(keys, photos)


def serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            keep_all(Path(line.strip()))
            os._exit(0)
        answer(child)
        answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
