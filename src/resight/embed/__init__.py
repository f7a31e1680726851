"""From photos to vectors: bundles (a model with its preprocessing and licence) and embedding runs."""

from resight.bundle_files import hash_of
from resight.embed.adding import AddedBundle, add_bundle
from resight.embed.bundle import (
    Bundle,
    BundleInfo,
    describe,
    face_aligner,
)
from resight.embed.engines import Engine
from resight.embed.extract import EmbeddedBatch, EmbeddingEngine, FileStat, embed_all, embed_photos
from resight.embed.learned import Learned, learned_mark
from resight.embed.linear_head import LinearHead, with_head
from resight.embed.places import (
    DEFAULT_BUNDLE,
    added_bundles,
    added_folder,
    bundle_path,
    shipped_bundles,
    shipped_folder,
)
from resight.images import Failure, Remark

__all__ = [
    "DEFAULT_BUNDLE",
    "AddedBundle",
    "Bundle",
    "BundleInfo",
    "EmbeddedBatch",
    "EmbeddingEngine",
    "Engine",
    "Failure",
    "FileStat",
    "Learned",
    "LinearHead",
    "Remark",
    "add_bundle",
    "added_bundles",
    "added_folder",
    "bundle_path",
    "describe",
    "embed_all",
    "embed_photos",
    "face_aligner",
    "hash_of",
    "learned_mark",
    "shipped_bundles",
    "shipped_folder",
    "with_head",
]
