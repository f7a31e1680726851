"""From photos to vectors: bundles (a model with its preprocessing and licence) and embedding runs."""

from resight.bundle_files import hash_of
from resight.embed.bundle import (
    DEFAULT_BUNDLE,
    Bundle,
    BundleInfo,
    Engine,
    bundle_path,
    describe,
    shipped_bundles,
    shipped_folder,
)
from resight.embed.extract import EmbeddedBatch, FileStat, embed_all, embed_photos
from resight.embed.learned import Learned, learned_mark
from resight.embed.linear_head import LinearHead, with_head
from resight.images import Failure

__all__ = [
    "DEFAULT_BUNDLE",
    "Bundle",
    "BundleInfo",
    "EmbeddedBatch",
    "Engine",
    "Failure",
    "FileStat",
    "Learned",
    "LinearHead",
    "bundle_path",
    "describe",
    "embed_all",
    "embed_photos",
    "hash_of",
    "learned_mark",
    "shipped_bundles",
    "shipped_folder",
    "with_head",
]
