"""What of a run is kept beside its network, so that it may go on.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from resight.train.judging import Judged

__all__ = ["Best", "Kept", "copied"]


@dataclass(frozen=True)
class Kept:
    """What a stage may go on from.

    Args:
        classes: name of a loss to a hash of what it tells apart.
        criteria: the losses' tensors.
        optimiser: what it remembers; None between two stages.
        mean: the running mean's tensors.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    criteria: Mapping[str, Tensor] = field(default_factory=dict)
    optimiser: Mapping[str, Tensor] | None = None
    mean: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Best:
    """The best network that a stage has seen.

    Args:
        network: its tensors.
        criteria: those of the losses at that time: centres of another epoch would not fit its vectors.
        judged: what it is worth on those kept back.
    """

    network: Mapping[str, Tensor]
    criteria: Mapping[str, Tensor]
    judged: Judged


def copied(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module as they are now, whatever becomes of it."""
    return {name: one.detach().cpu().clone() for name, one in module.state_dict().items()}
