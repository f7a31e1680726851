"""What reviewers said is held to when photos of the catalogue ask again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from resight.core import Catalogue, Embeddings, Estimate, OperatingPoint
from resight.pipeline.gallery import rejections_by_content
from resight.pipeline.identify import Identifier
from resight.pipeline.vector_contents import contents_of
from resight.store import CatalogueStore

POINT = OperatingPoint(
    threshold=0.7,
    new_below=0.5,
    slope=10.0,
    cut=6.0,
    scale="cosine",
    model="toy",
    n_gallery=3,
    n_photos=3,
    goal="fpir=0.01",
    share_new=0.5,
    fpir=Estimate(0.01, 0.0, 0.02, n=30),
    fnir=Estimate(0.2, 0.1, 0.3, n=3),
    n_mated=10,
    n_non_mated=30,
    fitted_on="0123",
)
NAMES = ["Nala", "Simba", "Kiara", None]
IDS = ["n.jpg", "s.jpg", "k.jpg", "q.jpg"]


def vectors(image_ids: list[str]) -> Embeddings:
    """Unit vectors of which the last is most like the first, then the second, then the third."""
    rows = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0.8, 0.5, 0.3, 0.14142136]], np.float32)
    rows = rows[[IDS.index(image_id) for image_id in image_ids]]
    return Embeddings(np.array(image_ids), rows / np.linalg.norm(rows, axis=1, keepdims=True), "toy")


@dataclasses.dataclass
class Batch:
    embeddings: Embeddings
    fingerprints: dict[str, str]
    stats: dict[str, tuple[int, int]]
    failures: tuple = ()


@pytest.fixture
def store(tmp_path) -> CatalogueStore:
    store = CatalogueStore.create(tmp_path / "catalogue")
    frame = pl.DataFrame({"image_id": IDS, "path": IDS, "identity": NAMES})
    store.register(Catalogue(frame, Path("/nowhere")))
    store.add(Batch(vectors(IDS), contents_of(None, vectors(IDS))[0], dict.fromkeys(IDS, (1, 1))))
    return store


def test_a_rejected_individual_is_offered_to_a_photo_of_the_catalogue_no_more(store):
    catalogue = store.catalogue()
    gallery, query = catalogue.labelled(), catalogue.select(["q.jpg"])
    store.reject("q.jpg", "Nala", who="anna")
    store.reject("q.jpg", "Kiara", who="anna")
    rejections = rejections_by_content(store)
    asked = Identifier(gallery, vectors(IDS[:3]), None, POINT, rejections=rejections)
    assert asked.search(query, vectors(["q.jpg"]), 3).identities.tolist()[0][:1] == ["Simba"]
    decision = asked.identify_embeddings(vectors(["q.jpg"]), query).decisions[0]
    assert [one.identity for one in decision.candidates] == ["Simba"]

    stranger = Catalogue(query.frame.with_columns(content=pl.lit("other bytes")), query.root)  # of the same name
    found = asked.search(stranger, vectors(["q.jpg"]), 3)
    assert found.identities.tolist() == [["Nala", "Simba", "Kiara"]]
