"""A body of a network: what it gives, what it takes, and where it comes from.

This module is imported inside functions only, since it imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from resight.errors import ConfigError

__all__ = ["MAY_BE_SOLD", "UNKNOWN", "Arranged", "Body", "Given", "body_of", "layers_of"]

Module = Any
"""A torch module."""

Three = tuple[float, float, float]

UNKNOWN = "unknown"
"""The licence of which nothing is known."""

MAY_BE_SOLD = frozenset({"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0"})
"""Licences of weights that allow commercial use; of any other one nothing is promised."""

_ANY_SIDE_PX = 224
_FLAT, _TOKENS, _MAP = 2, 3, 4  # dimensions of what a body gives


@dataclass(frozen=True, eq=False)
class Body:
    """A body that is ready to learn.

    Args:
        module: takes (B, 3, S, S) float32, gives a map (B, C, h, w) or tokens (B, T, C).
        n_channels: C.
        kind: which of the two.
        mean: taken off each channel, RGB, in pixel values of 0 to 255.
        std: each channel is divided by it then.
        source: where the weights come from.
        licence: of the weights, as an SPDX identifier, or "unknown".
        commercial_use: whether that licence allows it; of an unknown one nobody knows.
        authors: who made the weights.
        layers: the parameters, layer by layer from the input on.
        n_prefix: tokens before those that stand for a place; the first of them speaks for the whole photo.
    """

    module: Module
    n_channels: int
    kind: Literal["map", "tokens"]
    mean: Three
    std: Three
    source: str
    licence: str
    commercial_use: bool
    authors: str
    layers: list[list[Any]]
    n_prefix: int = 0

    def check_side(self, side_px: int) -> None:
        """Look once at nothing, to learn whether the body takes photos of this side.

        Raises:
            ConfigError: when it does not.
        """
        shape = _shape(self.module, side_px)
        if shape[-1 if self.kind == "tokens" else 1] != self.n_channels:
            raise ConfigError(
                f"expected {self.n_channels} channels from the backbone at {side_px} px, found the shape {shape}",
                key="backbone",
            )


@dataclass(frozen=True)
class Given:
    """What a body says of itself beside its weights.

    Args:
        mean: as in `Body`.
        std: as in `Body`.
        source: as in `Body`.
        licence: as in `Body`.
        commercial_use: as in `Body`; default: what is known of the licence.
        authors: as in `Body`.
    """

    mean: Three = (123.675, 116.28, 103.53)
    std: Three = (58.395, 57.12, 57.375)
    source: str = "a module handed over from Python"
    licence: str = UNKNOWN
    commercial_use: bool | None = None
    authors: str = UNKNOWN


def body_of(
    module: Module,
    given: Given | None = None,
    *,
    layers: Sequence[Sequence[Any]] | None = None,
    n_prefix: int = 0,
    side_px: int | None = None,
) -> Body:
    """A torch module as a body; one that gives (B, C) counts as a map of one place.

    Args:
        module: takes (B, 3, S, S) float32; gives (B, C, h, w), (B, T, C) or (B, C).
        given: what it says of itself; default: ImageNet's mean and std, licence unknown.
        layers: its parameters from the input on; default: those of its children, each part of a sequence by itself.
        n_prefix: as in `Body`.
        side_px: a side that it takes; default: 224.

    Raises:
        ConfigError: when it does not take such photos, or gives something else.

    Example:
        >>> one = body_of(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()), side_px=32)
        >>> one.n_channels, one.kind, len(one.layers)
        (8, 'map', 1)
    """
    said = Given() if given is None else given
    shape = _shape(module, side_px or _ANY_SIDE_PX)
    if len(shape) == _FLAT:
        module, shape = Arranged(module, "flat"), (*shape, 1, 1)
    if len(shape) not in (_TOKENS, _MAP):
        raise ConfigError(f"expected a map or tokens from the backbone, found the shape {shape}", key="backbone")
    is_map = len(shape) == _MAP
    known = said.licence in MAY_BE_SOLD
    return Body(
        module=module,
        n_channels=int(shape[1 if is_map else 2]),
        kind="map" if is_map else "tokens",
        mean=said.mean,
        std=said.std,
        source=said.source,
        licence=said.licence,
        commercial_use=known if said.commercial_use is None else said.commercial_use,
        authors=said.authors,
        layers=[list(one) for one in (layers_of(module) if layers is None else layers)],
        n_prefix=n_prefix,
    )


class Arranged(torch.nn.Module):
    """A module whose output is brought to (B, C, h, w): from (B, h, w, C), or from (B, C)."""

    def __init__(self, inner: Module, of: Literal["channels last", "flat"]) -> None:
        super().__init__()
        self.inner = inner
        self.of = of

    def forward(self, pixels: Any) -> Any:
        """(B, 3, S, S) → (B, C, h, w)."""
        found = self.inner(pixels)
        return found.permute(0, 3, 1, 2) if self.of == "channels last" else found[:, :, None, None]


def _shape(module: Module, side_px: int) -> tuple[int, ...]:
    """What comes out for one photo of nothing; the module is left as it was."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    device = next((one.device for one in module.parameters()), None)
    try:
        with torch.no_grad():
            return tuple(module(torch.zeros(1, 3, side_px, side_px, device=device)).shape)
    except Exception as error:  # models raise what they like
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"expected a backbone that takes photos of {side_px} px and gives one tensor, found: {reason}",
            key="side_px",
        ) from error
    finally:
        for one, mode in modes:
            one.training = mode


def layers_of(module: Module) -> list[list[Any]]:
    """The parameters of each child, in order; of a child that holds a row of modules those of each."""
    rows = (torch.nn.Sequential, torch.nn.ModuleList)
    parts: list[Module] = []
    for child in module.children():
        parts.extend(child.children() if isinstance(child, rows) and len(child) else [child])
    layers = [own for part in parts if (own := list(part.parameters()))]
    inside = {id(one) for layer in layers for one in layer}
    bare = [one for one in module.parameters() if id(one) not in inside]
    return [bare, *layers] if bare else layers
