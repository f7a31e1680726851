"""What tuning found: the trials, the best one, and what mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from resight.config import SpaceRecipe
from resight.config.space import label_of
from resight.pages.wording import plural

__all__ = ["DONE", "FAILED", "STOPPED", "Trial", "Tuning", "shown"]

DONE = "done"
STOPPED = "stopped early"
FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Trial:
    """Settings and what they were worth.

    Args:
        number: from 1 on. A trial that was killed and repeated counts once.
        state: "done", "stopped early" or "failed".
        settings: dotted key to value.
        value: higher is better; of a trial that was stopped early the last that it reported, None without any.
        n_reports: how often it reported.
        seconds: that it took.
        reason: why it failed.
        as_is: whether these are the recipe's own settings.
    """

    number: int
    state: str
    settings: Mapping[str, Any]
    value: float | None
    n_reports: int = 0
    seconds: float = math.nan
    reason: str = ""
    as_is: bool = False


@dataclass(frozen=True, eq=False)
class Tuning:
    """What tuning found.

    Args:
        folder: where `study.db`, `trials.csv`, `tuning.html` and, with a recipe, `best.toml` lie.
        space: what was searched.
        trials: in their order.
        importances: by key, the share of the differences between trials that it explains; they sum to 1. Empty where
            too little is known.
        measure: what the value of a trial is.
        about: what else the page states, such as the recipe.
        notes: sentences for the user.
    """

    folder: Path
    space: SpaceRecipe
    trials: tuple[Trial, ...]
    importances: Mapping[str, float] = field(default_factory=dict)
    measure: str = "value"
    about: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> list[Trial]:
        """The trials that came to their end."""
        return [trial for trial in self.trials if trial.state == DONE]

    @property
    def best(self) -> Trial | None:
        """The best of them; of equal ones the first."""
        return max(self.done, key=_value, default=None)

    @property
    def first(self) -> Trial | None:
        """The one with the recipe's own settings."""
        return next((trial for trial in self.done if trial.as_is), None)

    def counts(self) -> dict[str, int]:
        """How many trials ended in which way."""
        return {state: sum(trial.state == state for trial in self.trials) for state in (DONE, STOPPED, FAILED)}

    def table(self) -> pl.DataFrame:
        """A row per trial: number, state, value, n_reports, seconds, reason, and a column per key."""
        columns: dict[str, Any] = {
            "trial": pl.Series([trial.number for trial in self.trials], dtype=pl.Int64),
            "state": pl.Series([trial.state for trial in self.trials], dtype=pl.String),
            "value": pl.Series([trial.value for trial in self.trials], dtype=pl.Float64),
            "n_reports": pl.Series([trial.n_reports for trial in self.trials], dtype=pl.Int64),
            "seconds": pl.Series([round(trial.seconds, 1) for trial in self.trials], dtype=pl.Float64),
            "reason": pl.Series([trial.reason for trial in self.trials], dtype=pl.String),
        }
        for one in self.space.parameters:
            texts = [label_of(trial.settings[one.key]) for trial in self.trials]
            columns[one.key] = pl.Series(texts, dtype=pl.String).cast(_TYPES.get(one.kind, pl.String))
        return pl.DataFrame(columns)

    def __str__(self) -> str:
        """The best trial, what it gained, and what mattered."""
        counts = ", ".join(f"{n} {state}" for state, n in self.counts().items() if n)
        lines = [f"{plural(len(self.trials), 'trial')}: {counts}" if self.trials else "no trials"]
        if self.best is not None:
            gain = "" if self.first is None else f", the recipe as it is {self.first.value:.4f}"
            lines.append(f"best {self.measure}: {self.best.value:.4f} in trial {self.best.number}{gain}")
            lines += [f"  {key} = {shown(value)}" for key, value in self.best.settings.items()]
        if self.importances:
            mattered = ", ".join(f"{key} {share:.0%}" for key, share in self.importances.items())
            lines.append(f"what mattered: {mattered}")
        return "\n".join([*lines, f"page: {self.folder / 'tuning.html'}"])

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        best = self.best
        return {
            "folder": str(self.folder),
            "measure": self.measure,
            "counts": self.counts(),
            "best": None
            if best is None
            else {"trial": best.number, "value": best.value, "settings": dict(best.settings)},
            "as_is": None if self.first is None else self.first.value,
            "importances": dict(self.importances),
            "trials": [
                {
                    "trial": one.number,
                    "state": one.state,
                    "value": one.value,
                    "settings": dict(one.settings),
                    "reason": one.reason or None,
                }
                for one in self.trials
            ],
            "notes": list(self.notes),
        }


_TYPES: Mapping[str, Any] = {"range": pl.Float64, "whole": pl.Int64}


def shown(value: Any) -> str:
    """A setting for people: numbers in four digits, a table as what stands in it.

    Example:
        >>> shown(0.000123456), shown(16), shown("same"), shown({"kind": "triplet", "margin": 0.2})
        ('0.0001235', '16', 'same', 'triplet, margin 0.2')
    """
    if isinstance(value, Mapping):
        return ", ".join(shown(inner) if key == "kind" else f"{key} {shown(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else label_of(value)


def _value(trial: Trial) -> float:
    return -math.inf if trial.value is None else trial.value
