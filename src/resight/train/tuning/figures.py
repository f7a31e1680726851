"""The figures of tuning: how the best grew, what each setting did, and all settings side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from resight.config import ChoiceParameter
from resight.config.space import label_of
from resight.pages.colours import BLUE, INK, ORANGE
from resight.pages.figures import draw, to_svg
from resight.train.tuning.result import STOPPED, Trial, Tuning, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["history", "in_lines", "side_by_side", "slice_of"]

_LABEL_SIGNS, _NAME_SIGNS = 14, 16
_WIDE_INCHES = (9.0, 3.8)
_BEST_SHARE = 0.1


def history(found: Tuning) -> str:
    """The value of each trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    done = found.done
    with draw() as (figure, axes):
        figure.set_size_inches(*_WIDE_INCHES)
        _marks(axes, found, lambda trial: trial.number)
        best = np.maximum.accumulate([_value(trial) for trial in done]).tolist()
        if done:
            numbers = [trial.number for trial in done]
            axes.step([*numbers, len(found.trials)], [*best, best[-1]], where="post", color=INK, label="best so far")
        if found.first is not None:
            axes.axhline(_value(found.first), color=INK, linewidth=1, linestyle=":", label="the recipe as it is")
        axes.set(xlabel="trial", ylabel=_text(found.measure), xlim=(0.5, len(found.trials) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        steps = ", ".join(f"{value:.3f}" for value in dict.fromkeys(best))
        said = f"{len(done)} trials came to their end; the best so far was {steps}."
        return to_svg(figure, axes, "history", f"{found.measure} of each trial", said)


def slice_of(found: Tuning, key: str, name: str) -> str:
    """The value of each trial over one of its settings."""
    one = next(one for one in found.space.parameters if one.key == key)
    with draw() as (figure, axes):
        _marks(axes, found, lambda trial: _place(one, trial.settings[key]))
        _scale(axes, one)
        axes.set(xlabel=_text(key), ylabel=_text(found.measure))
        best = found.best
        said = f"Best at {shown(best.settings[key])}." if best else ""
        return to_svg(figure, axes, name, f"{found.measure} over {key}", said)


def side_by_side(found: Tuning) -> str:
    """All settings of a trial as one line, from axis to axis; the best tenth stands out."""
    trials = sorted(found.done, key=lambda trial: (_value(trial), -trial.number))  # of equal ones the first is best
    n_best = max(1, math.ceil(_BEST_SHARE * len(trials)))
    low, high = _value(trials[0]), _value(trials[-1])
    with draw() as (figure, axes):
        figure.set_size_inches(*_WIDE_INCHES)
        for rank, trial in enumerate(trials):
            heights = [_height(one, trial.settings[one.key]) for one in found.space.parameters]
            heights.append((_value(trial) - low) / (high - low) if high > low else 0.5)
            is_best = rank >= len(trials) - n_best
            label = {0: "other trials", len(trials) - n_best: "the best tenth"}.get(rank) if len(trials) > 1 else None
            colour, width, alpha = (ORANGE, 2.6, 1.0) if is_best else (BLUE, 1.0, 0.45)
            axes.plot(heights, color=colour, linewidth=width, alpha=alpha, label=label)
        ends = [_ends(one) for one in found.space.parameters] + [(f"{low:.3f}", f"{high:.3f}")]
        _draw_axes(axes, [*(one.key for one in found.space.parameters), found.measure], ends)
        title = "The settings of each trial, side by side"
        said = f"{len(trials)} trials, the best {n_best} of them marked; the last axis is {found.measure}."
        return to_svg(figure, axes, "side", title, said)


def _scale(axes: Axes, one: Any) -> None:
    """The whole range of a parameter, or a place for each choice."""
    if isinstance(one, ChoiceParameter):
        axes.set_xticks(range(len(one.choices)), [_short(shown(choice)) for choice in one.choices])
        axes.set_xlim(-0.5, len(one.choices) - 0.5)
        return
    low, high = float(one.low), float(one.high)
    if one.log:
        axes.set_xscale("log")
        decades = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        ticks = decades if len(decades) > 1 else np.geomspace(low, high, 3).tolist()
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
        margin = (high / low) ** 0.04
        axes.set_xlim(low / margin, high * margin)
    else:
        margin = 0.04 * (high - low)
        axes.set_xlim(low - margin, high + margin)


def _marks(axes: Axes, found: Tuning, place: Callable[[Trial], float]) -> None:
    """A mark per trial: a dot when done, a diamond the best; hollow at the bottom those that were stopped early.

    What a trial was worth when it was stopped says nothing beside what others were worth at their end.
    """
    values = [_value(trial) for trial in found.done]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    reach = high - low or abs(high) or 1.0
    floor = low - 0.12 * reach
    stopped = [one for one in found.trials if one.state == STOPPED]
    groups: Sequence[tuple[str, list[Trial], dict[str, Any]]] = (
        ("done", [one for one in found.done if one is not found.best], {"marker": "o", "color": BLUE}),
        ("stopped early", stopped, {"marker": "v", "facecolor": "none"}),
        ("best", [found.best] if found.best else [], {"marker": "D", "color": ORANGE, "zorder": 4}),
    )
    for label, trials, look in groups:
        if trials:
            heights = [floor if trial.state == STOPPED else _value(trial) for trial in trials]
            axes.scatter([*map(place, trials)], heights, s=30, edgecolor=INK, linewidth=0.7, label=label, **look)
    axes.set_ylim(floor - 0.08 * reach, high + 0.1 * reach)


def _draw_axes(axes: Axes, names: Sequence[str], ends: Sequence[tuple[str, str]]) -> None:
    for place, (low, high) in enumerate(ends):
        axes.axvline(place, color=INK, linewidth=0.8)
        axes.text(place, -0.04, low, ha="center", va="top", fontsize=8.5)
        axes.text(place, 1.03, high, ha="center", va="bottom", fontsize=8.5)
    axes.set_xticks(range(len(names)), [_text(in_lines(name)) for name in names], fontsize=8.5)
    axes.tick_params(axis="x", length=0, pad=14)
    axes.set_yticks([])
    axes.set_ylim(-0.02, 1.02)
    for side in axes.spines.values():
        side.set_visible(False)


def _place(one: Any, value: Any) -> float:
    """Where a value stands on its axis."""
    return float(one.labels.index(label_of(value)) if isinstance(one, ChoiceParameter) else value)


def _height(one: Any, value: Any) -> float:
    """Where a value stands between the ends of its axis, 0 to 1."""
    at = _place(one, value)
    if isinstance(one, ChoiceParameter):
        return at / (len(one.choices) - 1)
    low, high = float(one.low), float(one.high)
    if one.log:
        at, low, high = math.log(at), math.log(low), math.log(high)
    return (at - low) / (high - low)


def _ends(one: Any) -> tuple[str, str]:
    is_choice = isinstance(one, ChoiceParameter)
    labels = [shown(choice) for choice in one.choices] if is_choice else [f"{one.low:g}", f"{one.high:g}"]
    return _short(labels[0]), _short(labels[-1])


def _short(label: str) -> str:
    return _text(label if len(label) <= _LABEL_SIGNS else label[: _LABEL_SIGNS - 1] + "…")


def in_lines(name: str) -> str:
    """A name in lines of a few signs, which end behind a dot, a line or a blank: no word is cut.

    Example:
        >>> in_lines("stages.0.backbone_learning_rate").splitlines()
        ['stages.0.', 'backbone_', 'learning_rate']
    """
    lines = [""]
    for word in re.findall(r"[^._ ]*[._ ]?", name):
        if lines[-1] and len(lines[-1]) + len(word) > _NAME_SIGNS:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip(" ") for line in lines)


def _text(label: str) -> str:
    """A label that is no formula, whatever is in it."""
    return label.replace("$", r"\$")


def _value(trial: Trial) -> float:
    return math.nan if trial.value is None else trial.value
