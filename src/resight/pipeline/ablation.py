"""An ablation: the same protocol with each piece of a recipe added in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resight.config import RerankRecipe
from resight.core import Estimate
from resight.decide import Goal
from resight.pipeline.evaluate import Evaluation, judged_gallery, summed_up
from resight.pipeline.fused_gallery import SCALE
from resight.pipeline.methods import Method, PlainMethod, RerankedMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.trials import PROTOCOLS, Setting
from resight.search.gallery import SCALE as PLAIN_SCALE

__all__ = ["Ablation", "Step", "ablate_catalogue", "ablated"]

_SHOWN = ("top-1", "top-5", "MAP@5", "AUROC", "FNIR at FPIR 0.05", "FPIR", "FNIR", "ECE")


@dataclass(frozen=True, eq=False)
class Step:
    """One row of the table.

    Args:
        name: what was weighed.
        evaluation: what came of it.
        ms_per_query: what comparing took per query of the gallery, in milliseconds on all cores of this machine.
        fusion: in a sentence, how it became one; empty where there is nothing to fuse.
    """

    name: str
    evaluation: Evaluation
    ms_per_query: float
    fusion: str = ""

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        own = {"name": self.name, "ms_per_query": self.ms_per_query, "fusion": self.fusion}
        return {**own, **self.evaluation.to_json()}


@dataclass(frozen=True, eq=False)
class Ablation:
    """The table.

    Args:
        steps: the embedding alone, then the recipe's scorers one after the other.
    """

    steps: tuple[Step, ...]

    @property
    def shown(self) -> list[str]:
        """The measures of the table: those that some step has."""
        return [name for name in _SHOWN if any(name in step.evaluation.measures for step in self.steps)]

    def __str__(self) -> str:
        """A table of figures with their intervals, a row per step."""
        first = self.steps[0].evaluation
        shown = self.shown
        width = max(len(step.name) for step in self.steps)
        lines = [
            f"protocol {first.protocol}: {first.n_photos} photos of {first.n_identities} individuals",
            f"{'':<{width}}  {'  '.join(f'{name:<18}' for name in shown)}  ms/query",
        ]
        for step in self.steps:
            cells = "  ".join(f"{_short(step.evaluation.measures.get(name)):<18}" for name in shown)
            lines.append(f"{step.name:<{width}}  {cells}  {step.ms_per_query:8.1f}")
        return "\n".join([*lines, *(f"{step.name}: {step.fusion}" for step in self.steps if step.fusion)])

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {"steps": [step.to_json() for step in self.steps]}


def ablate_catalogue(
    folder: str | Path,
    recipe: RerankRecipe,
    protocol: str = "other-encounters",
    *,
    goal: str = "fpir=0.01",
    model: str | Path | None = None,
    distractors: str | Path | None = None,
    **setting: Any,
) -> Ablation:
    """Judge a catalogue with the embedding alone, then with each scorer of a recipe added in turn.

    Args:
        folder: the catalogue.
        recipe: the scorers, in the order in which they are added.
        protocol: as for `evaluate_catalogue`.
        goal: of the operating points.
        model: bundle, by name or path; default: the catalogue's own.
        distractors: folder of photos of nobody in the catalogue, for the recipe.
        **setting: further options of `evaluate_catalogue`: same, per, share_new, column, gallery, queries,
            share_strangers, n_repeats, seed.

    Raises:
        UnknownNameError: when there is no such protocol, column or part.
        InputError: when nothing is labelled, or a scorer lacks what it needs.
        NotFittedError: when too few individuals were met twice.
    """
    setting["same"] = tuple(setting.get("same", ()))
    asked = Setting(Goal.parse(goal), **setting)
    store, catalogue, embeddings = judged_gallery(folder, model, protocol, asked)
    return ablated(reranked_method(store, catalogue, embeddings, recipe, distractors), protocol, asked)


def ablated(whole: RerankedMethod, protocol: str, asked: Setting) -> Ablation:
    """Judge the embedding alone, then with each scorer of a method added in turn.

    Args:
        whole: the method with all scorers.
        protocol: as for `evaluate_catalogue`.
        asked: how to judge.
    """
    names, catalogue, embeddings = whole.comparer.names, whole.catalogue, whole.embeddings

    def judged(method: Method, scale: str) -> Evaluation:
        trials = list(PROTOCOLS[protocol](method, asked))
        return summed_up(protocol, catalogue, embeddings.model, trials, asked.seed, scale)

    steps = [Step("embedding alone", judged(PlainMethod(catalogue, embeddings, whole.unseen), PLAIN_SCALE), 0.0)]
    for n in range(1, len(names) + 1):
        method = whole.first(n)
        name = names[0] if n == 1 else f"+ {names[n - 1]}"
        steps.append(Step(name, judged(method, SCALE), *_learnt(method, protocol, asked)))
    return Ablation(tuple(steps))


def _learnt(method: RerankedMethod, protocol: str, asked: Setting) -> tuple[float, str]:
    """Milliseconds per query, and how the scorers became one, on the photos that answer."""
    rows = np.arange(len(method.catalogue))
    if protocol == "split":
        rows = np.flatnonzero(method.catalogue.frame[asked.column].cast(pl.String) == asked.gallery)
    prepared = method.prepare(rows, asked.same, asked.seed)
    return prepared.ms_per_query(), str(prepared.fusion.summary)


def _short(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.value):
        return "–"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
