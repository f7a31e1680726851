"""Vectors of people who never were: what tells them apart, what an encounter adds, and noise."""

from __future__ import annotations

import numpy as np
import polars as pl

from oracles.catalogues import NOWHERE
from resight.core import Catalogue, Embeddings
from resight.train.examples import Examples


def people(
    n_individuals: int = 24,
    n_encounters: int = 3,
    n_photos: int = 2,
    *,
    told_apart: float = 1.0,
    by_encounter: float = 2.0,
    noise: float = 0.2,
    dimension: int = 32,
    seed: int = 0,
) -> Examples:
    """Individuals differ in the first quarter of the directions, encounters in the second; the rest is noise."""
    rng = np.random.default_rng(seed)
    quarter = dimension // 4
    rows, vectors = [], []
    for individual in range(n_individuals):
        own = told_apart * rng.normal(size=quarter)
        for encounter in range(n_encounters):
            light = by_encounter * rng.normal(size=quarter)
            for photo in range(n_photos):
                vector = noise * rng.normal(size=dimension)
                vector[:quarter] += own
                vector[quarter : 2 * quarter] += light
                vectors.append(vector)
                rows.append((f"i{individual:03}", f"e{individual:03}-{encounter}", photo))
    return examples_of(np.array(vectors), [row[0] for row in rows], [row[1] for row in rows])


def examples_of(vectors: np.ndarray, names: list[str], encounters: list[str] | None = None, **columns) -> Examples:
    """Examples of any vectors, which are brought to unit length."""
    same = tuple(columns)
    if encounters is not None:
        columns["encounter"] = encounters
    ids = [f"p{row:04}" for row in range(len(names))]
    frame = pl.DataFrame({"image_id": ids, "path": ids, "identity": names, **columns})
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Examples(Catalogue(frame, NOWHERE), Embeddings(np.array(ids), unit, "toy"), same)
