"""What comes of training a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resight.core import Estimate
from resight.pages.wording import plural
from resight.train.judging import MEASURES, json_of

__all__ = ["NetworkTraining"]


@dataclass(frozen=True, eq=False)
class NetworkTraining:
    """What was trained, what it is worth, and what came of it.

    Args:
        run: folder of the run.
        model: fingerprint of the bundle; None when none was written.
        bundle: where it lies.
        variants: kind of a smaller bundle to where it lies; those that lost too much are absent.
        photos: fingerprint of what the catalogue says.
        n_photos: learned from.
        n_individuals: on them.
        n_pseudo: photos without a name that took part as someone.
        n_steps: that were made.
        figures: measure to figure of the network, on those kept back; they also chose the epoch.
        baseline: of the network before the first step.
        gains: of the one over the other.
        rates: the open-set classification rate at each judgement.
        n_vectors: of the catalogue that were made for the bundle.
        seconds: of this process.
        memory_mb: at most; of the GPU, where there is one, else of the process.
        notes: sentences for the user.
    """

    run: Path
    model: str | None
    bundle: Path | None
    variants: Mapping[str, Path]
    photos: str
    n_photos: int
    n_individuals: int
    n_pseudo: int
    n_steps: int
    figures: Mapping[str, Estimate]
    baseline: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]
    rates: tuple[float, ...]
    n_vectors: int = 0
    seconds: float = 0.0
    memory_mb: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def best_oscr(self) -> float:
        """The highest open-set classification rate that was seen; 0 when nobody was kept back."""
        return max(self.rates, default=0.0)

    def __str__(self) -> str:
        """What it is worth, a line per measure, and where it lies."""
        what = f"{plural(self.n_photos, 'photo')} of {plural(self.n_individuals, 'individual')}"
        lines = [
            f"{what}, {plural(self.n_steps, 'step')}, {self.seconds:.0f} s, at most {self.memory_mb:.0f} MB of memory"
        ]
        if self.figures:
            n = self.figures["top-1"].n
            lines.append(f"{'':<7}{'before training':<22}{'after':<22}gain, by {plural(n, 'individual')} kept back")
            lines += [f"{of:<7}{self.baseline[of]!s:<22}{self.figures[of]!s:<22}{self.gains[of]}" for of in MEASURES]
        if self.bundle is not None:
            lines.append(f"bundle: {self.bundle} ({self.model})")
        lines += [f"{kind} bundle: {place}" for kind, place in self.variants.items()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "run": str(self.run),
            "model": self.model,
            "bundle": None if self.bundle is None else str(self.bundle),
            "variants": {kind: str(place) for kind, place in self.variants.items()},
            "photos": self.photos,
            "n_photos": self.n_photos,
            "n_individuals": self.n_individuals,
            "n_pseudo": self.n_pseudo,
            "n_steps": self.n_steps,
            "figures": json_of(self.figures),
            "baseline": json_of(self.baseline),
            "gains": json_of(self.gains),
            "rates": list(self.rates),
            "best_oscr": self.best_oscr,
            "n_vectors": self.n_vectors,
            "seconds": self.seconds,
            "memory_mb": self.memory_mb,
            "notes": list(self.notes),
        }
