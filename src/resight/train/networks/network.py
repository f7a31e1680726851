"""The network: a body, a pooling, a neck; and the network with its losses, which is what learns.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resight.config import NetworkOptions
from resight.errors import ConfigError
from resight.train.networks.body import Body
from resight.train.networks.losses import Criterion

__all__ = ["GeneralisedMean", "Learner", "Network", "freeze"]

_SMALLEST = 1e-6


class GeneralisedMean(nn.Module):
    """The p-th root of the mean of p-th powers over a map, with a p that is learned (Radenović et al., 2018).

    Args:
        power: p where learning begins, at least 1.
    """

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(power))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C), in full precision."""
        powers = features.float().clamp_min(_SMALLEST).pow(self.power)
        return powers.mean((2, 3)).pow(1 / self.power)


class Network(nn.Module):
    """Pixels in, vectors out; they are brought to unit length by whoever takes them.

    Args:
        body: ends in a map of features, or in tokens.
        options: pooling, neck, projection.

    Raises:
        ConfigError: when the pooling does not fit the body.
    """

    def __init__(self, body: Body, options: NetworkOptions) -> None:
        super().__init__()
        self.body = body.module
        self.kind, self.n_prefix = body.kind, body.n_prefix
        self.pooling = options.pooling
        if options.pooling == "cls" and not body.n_prefix:
            raise ConfigError(
                f"expected a transformer with a first token for pooling 'cls', found '{options.backbone}' without: "
                "take 'gem' or 'average'",
                key="pooling",
            )
        self.gem = GeneralisedMean(options.gem_power) if options.pooling == "gem" else None
        n = options.n_dimensions
        self.projection = nn.Linear(body.n_channels, n, bias=False) if n else nn.Identity()
        self.dimension = n or body.n_channels
        self.neck = nn.BatchNorm1d(self.dimension) if options.neck == "batch-norm" else nn.Identity()
        self.dropout = nn.Dropout(options.dropout)
        self.register_buffer("mean", torch.tensor(body.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(body.std)[:, None, None], persistent=False)

    def normalised(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 → float32 as the body takes it."""
        return ((pixels.float() - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pixels → (B, D)."""
        return self.neck(self.dropout(self.pooled(pixels)))

    def pooled(self, pixels: Tensor) -> Tensor:
        """(B, D) what comes into the neck."""
        features = self.body(pixels)
        if self.kind == "tokens":
            features = self._of_tokens(features)
        pooled = self.gem(features) if self.gem is not None else features.float().mean((2, 3))
        return self.projection(pooled)

    def _of_tokens(self, tokens: Tensor) -> Tensor:
        """(B, T, C) tokens as a map: the first alone, or all."""
        chosen = tokens[:, :1] if self.pooling == "cls" else tokens[:, self.n_prefix :]
        return chosen.transpose(1, 2)[..., None]

    def put_neck(self, mean: Tensor, variance: Tensor) -> None:
        """Let the neck begin with what the vectors that come into it are like."""
        if isinstance(self.neck, nn.BatchNorm1d):
            self.neck.running_mean.copy_(mean)
            self.neck.running_var.copy_(variance)


class Learner(nn.Module):
    """A network and its losses: one module, so that several processes average the slopes of both.

    Args:
        network: what is kept.
        criteria: name of a loss to the loss.
    """

    def __init__(self, network: Network, criteria: Mapping[str, Criterion]) -> None:
        super().__init__()
        self.network = network
        self.criteria = nn.ModuleDict(criteria)

    def forward(self, pixels: Tensor, classes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses of (B, 3, S, S) uint8 pixels by name; `classes` holds (B,) of each."""
        vectors = self.network(self.network.normalised(pixels))
        return {name: criterion(vectors, classes[name]) for name, criterion in self.criteria.items()}


def freeze(layers: list[list[nn.Parameter]], share: float) -> None:
    """Let a share of a body's layers, from the first on, stay as it is."""
    n_frozen = round(share * len(layers))
    for number, layer in enumerate(layers):
        for weight in layer:
            weight.requires_grad_(number >= n_frozen)
