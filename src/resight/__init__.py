"""Which of the individuals I know is on this photo, or is it a new one?

The public names. They are imported when first used, so that `import resight` costs nothing.

Example:
    >>> import resight
    >>> resight.Verdict.KNOWN.value
    'known'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resight.config import HeadRecipe, RerankRecipe, SpaceRecipe, TrainRecipe
    from resight.core import (
        Candidate,
        Catalogue,
        Decision,
        Eligibility,
        Embeddings,
        Estimate,
        Matches,
        OperatingPoint,
        PhotoPairs,
        Verdict,
    )
    from resight.curate import Recipe
    from resight.datasets import forge_photos, make_synthetic, read_catalogue
    from resight.embed import Bundle
    from resight.errors import (
        CatalogueError,
        ConfigError,
        ConflictError,
        ImageError,
        InputError,
        MismatchError,
        MissingExtraError,
        NotFittedError,
        ResightError,
        StoreError,
        UnknownNameError,
    )
    from resight.evaluate import score_files
    from resight.pipeline import (
        Alike,
        Identifier,
        ablate_catalogue,
        calibrate_catalogue,
        evaluate_catalogue,
        explore_photos,
        export_catalogue,
        find_duplicates,
        find_leaks,
        group_catalogue,
        index_embeddings,
        index_photos,
        judge_holdout,
        prepare_copies,
        split_catalogue,
        verify_pairs,
    )
    from resight.train import train_forgery, train_head, train_network, tune_network

__version__ = "0.1.0"

_HOMES = {
    "resight.config": ("HeadRecipe", "RerankRecipe", "SpaceRecipe", "TrainRecipe"),
    "resight.core": (
        "Candidate",
        "Catalogue",
        "Decision",
        "Eligibility",
        "Embeddings",
        "Estimate",
        "Matches",
        "OperatingPoint",
        "PhotoPairs",
        "Verdict",
    ),
    "resight.curate": ("Recipe",),
    "resight.datasets": ("forge_photos", "make_synthetic", "read_catalogue"),
    "resight.embed": ("Bundle",),
    "resight.errors": (
        "CatalogueError",
        "ConfigError",
        "ConflictError",
        "ImageError",
        "InputError",
        "MismatchError",
        "MissingExtraError",
        "NotFittedError",
        "ResightError",
        "StoreError",
        "UnknownNameError",
    ),
    "resight.evaluate": ("score_files",),
    "resight.pipeline": (
        "Alike",
        "Identifier",
        "ablate_catalogue",
        "calibrate_catalogue",
        "evaluate_catalogue",
        "explore_photos",
        "export_catalogue",
        "find_duplicates",
        "find_leaks",
        "group_catalogue",
        "index_embeddings",
        "index_photos",
        "judge_holdout",
        "prepare_copies",
        "split_catalogue",
        "verify_pairs",
    ),
    "resight.train": ("train_forgery", "train_head", "train_network", "tune_network"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Alike",
    "Bundle",
    "Candidate",
    "Catalogue",
    "CatalogueError",
    "ConfigError",
    "ConflictError",
    "Decision",
    "Eligibility",
    "Embeddings",
    "Estimate",
    "HeadRecipe",
    "Identifier",
    "ImageError",
    "InputError",
    "Matches",
    "MismatchError",
    "MissingExtraError",
    "NotFittedError",
    "OperatingPoint",
    "PhotoPairs",
    "Recipe",
    "RerankRecipe",
    "ResightError",
    "SpaceRecipe",
    "StoreError",
    "TrainRecipe",
    "UnknownNameError",
    "Verdict",
    "__version__",
    "ablate_catalogue",
    "calibrate_catalogue",
    "evaluate_catalogue",
    "explore_photos",
    "export_catalogue",
    "find_duplicates",
    "find_leaks",
    "forge_photos",
    "group_catalogue",
    "index_embeddings",
    "index_photos",
    "judge_holdout",
    "make_synthetic",
    "prepare_copies",
    "read_catalogue",
    "score_files",
    "split_catalogue",
    "train_forgery",
    "train_head",
    "train_network",
    "tune_network",
    "verify_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'resight' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
