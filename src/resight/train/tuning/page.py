"""The page of tuning: the best settings, what mattered, and every trial."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resight import __version__
from resight.pages.document import render, write_page
from resight.pages.wording import plural
from resight.train.tuning.result import Trial, Tuning, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["write_tuning"]

_MOST_ROWS = 200
_FEW = 30
"""Trials below which what mattered is a hint at most."""


def write_tuning(found: Tuning, out: Path) -> Path:
    """Write what tuning found as a page and give its path back; a file that is there is replaced.

    The file asks for nothing from outside and runs no script.

    Raises:
        InputError: when the file cannot be written.
    """
    keys = [*found.importances, *(one.key for one in found.space.parameters if one.key not in found.importances)]
    ranked = sorted(found.trials, key=_rank)
    page = render(
        "resight.train",
        "tuning.html.j2",
        title="What tuning found",
        lead=_lead(found),
        found=found,
        keys=keys,
        **_figures(found, keys),
        rows=[_row(trial, keys) for trial in ranked[:_MOST_ROWS]],
        n_hidden=max(0, len(ranked) - _MOST_ROWS),
        few=len(found.done) < _FEW,
        settings={} if found.best is None else {key: shown(value) for key, value in found.best.settings.items()},
        about={**found.about, "resight": __version__},
    )
    return write_page(out, page)


def _figures(found: Tuning, keys: list[str]) -> dict[str, Any]:
    """The figures of the page; None or none where there is nothing to draw."""
    from resight.train.tuning.figures import history, side_by_side, slice_of

    has_values = any(trial.value is not None for trial in found.trials)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's own fonts draw the text
        return {
            "history": history(found) if has_values else None,
            "side": side_by_side(found) if len(found.done) > 1 else None,
            "slices": [slice_of(found, key, f"slice{at}") for at, key in enumerate(keys)] if has_values else [],
        }


def _lead(found: Tuning) -> str:
    best, first = found.best, found.first
    tried = plural(len(found.trials), "trial")
    if best is None:
        return f"{tried}, and none came to its end."
    before = "" if first is None else f"; the recipe as it is gives {first.value:.3f}"
    return f"{tried}. The best is trial {best.number} with {found.measure} {best.value:.3f}{before}."


def _rank(trial: Trial) -> tuple[bool, float, int]:
    """The best first; those that did not come to their end behind."""
    value = -math.inf if trial.value is None else trial.value
    return trial.state != "done", -value, trial.number


def _row(trial: Trial, keys: list[str]) -> Mapping[str, Any]:
    value = "" if trial.value is None else f"{trial.value:.4f}"
    state = f"{trial.state}: {trial.reason}" if trial.reason else trial.state
    state += ", the recipe as it is" if trial.as_is else ""
    cells = [shown(trial.settings[key]) for key in keys]
    return {"number": trial.number, "state": state, "value": value, "cells": cells}
