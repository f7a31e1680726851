"""Checkpoints: what a run needs to go on, as tensors and JSON.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from resight.errors import StoreError

__all__ = ["last_checkpoint", "load_checkpoint", "optimiser_state", "restore_optimiser", "save_checkpoint"]

_TENSORS, _STATE = "tensors.safetensors", "state.json"
_DRAFT = ".draft"


def save_checkpoint(
    folder: Path, number: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> None:
    """Keep what was learned, as a whole or not at all; older checkpoints go.

    Args:
        folder: of the checkpoints.
        number: of the step; later ones are higher.
        tensors: by part ("learner", "optimiser", …) and name.
        state: what JSON can hold.

    Raises:
        StoreError: when the disk refuses.
    """
    flat = {
        f"{part}/{name}": tensor.detach().cpu().clone().contiguous()
        for part, of_part in tensors.items()
        for name, tensor in of_part.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / _DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        save_file(flat, draft / _TENSORS)
        (draft / _STATE).write_text(json.dumps(state), encoding="utf-8")
        _to_disk(draft / _TENSORS, draft / _STATE, draft)
        draft.replace(folder / f"{number:010d}")
        _to_disk(folder)  # before the older ones go
        for old in _checkpoints(folder)[:-1]:
            shutil.rmtree(old)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"expected to keep a checkpoint in {folder}, found: {error}") from error


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a folder."""
    found = _checkpoints(folder)
    return found[-1] if found else None


def load_checkpoint(place: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The tensors by part and name, and the state.

    Raises:
        StoreError: when the checkpoint is damaged.
    """
    try:
        flat = load_file(place / _TENSORS)
        state: dict[str, Any] = json.loads((place / _STATE).read_text(encoding="utf-8"))
    except (OSError, SafetensorError, ValueError) as error:
        raise StoreError(f"expected a whole checkpoint in {place}, found: {error}; delete it to begin anew") from error
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        part, _, rest = name.partition("/")
        tensors.setdefault(part, {})[rest] = tensor
    return tensors, state


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each weight, by the weight's number and the name of what is remembered."""
    return {
        f"{number}/{name}": torch.as_tensor(value)
        for number, of_weight in optimiser.state_dict()["state"].items()
        for name, value in of_weight.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, remembered: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_state` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for place, value in remembered.items():
        number, _, name = place.partition("/")
        state.setdefault(int(number), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _to_disk(*places: Path) -> None:
    """Wait until files and folders lie on the disk itself, so that a power cut leaves them whole."""
    for place in places:
        if place.is_dir() and os.name == "nt":  # has no way to ask for it
            continue
        number = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(one for one in folder.glob("[0-9]*") if one.is_dir())
