"""How good is it: protocols over a catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resight.cli.options import Distractors, Folder, Json, Model, Per, Recipe, Rerank, Same, Seed, Who, recipe_of
from resight.errors import InputError

if TYPE_CHECKING:
    from resight.config import RerankRecipe
    from resight.pipeline import Evaluation

_USUAL = "other-encounters"

_Holdout = Annotated[
    str | None, typer.Option(help="Judge the test side of this kept split by its train side instead; logged.")
]
_ShareNew = Annotated[
    float | None,
    typer.Option(help="Share of new individuals that probabilities assume. Default: as the queries have it."),
]
_Ablation = Annotated[
    bool, typer.Option("--ablation", help="With --rerank: a table of what each scorer of the recipe adds in turn.")
]


def evaluate(
    catalogue: Folder,
    protocol: Annotated[str, typer.Option(help="other-encounters, split or open-set.")] = _USUAL,
    goal: Annotated[str, typer.Option(help="Goal of the operating points.")] = "fpir=0.01",
    same: Same = None,
    per: Per = None,
    share_new: _ShareNew = None,
    column: Annotated[str, typer.Option(help="split: the column that splits the catalogue.")] = "split",
    gallery: Annotated[str, typer.Option(help="split: its value for the photos that answer.")] = "train",
    queries: Annotated[str, typer.Option(help="split: its value for the photos that ask.")] = "test",
    share_strangers: Annotated[float, typer.Option(help="open-set: share of the individuals left out.")] = 0.5,
    repeats: Annotated[int, typer.Option(help="open-set: how many draws.")] = 10,
    holdout: _Holdout = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with figures here.")] = None,
    model: Model = None,
    rerank: Rerank = False,
    recipe: Recipe = None,
    distractors: Distractors = None,
    ablation: _Ablation = False,
    seed: Seed = 0,
    who: Who = "unknown",
    as_json: Json = False,
) -> None:
    """Judge a catalogue by its own labelled photos; intervals are over individuals.

    Example:  resight evaluate --catalogue mine --protocol open-set --same side

    Example:  resight evaluate --catalogue mine --rerank --ablation --report ablation.html

    Example:  resight evaluate --catalogue mine --holdout holdout
    """
    if holdout is not None and protocol != _USUAL:
        raise InputError(f"expected a protocol or a holdout, found both: '{protocol}' and '{holdout}'")
    judging: dict[str, Any] = {"goal": goal, "same": same or (), "per": per, "share_new": share_new}
    judging |= {"model": model, "seed": seed}
    weighed = _weighed(recipe_of(rerank, recipe, distractors), holdout, ablation=ablation)
    parts: dict[str, Any] = {"column": column, "gallery": gallery, "queries": queries}
    parts |= {"share_strangers": share_strangers, "n_repeats": repeats, "distractors": distractors}
    if holdout is not None:
        _tell_holdout(catalogue, holdout, report, as_json, {"who": who, **judging})
    elif ablation and weighed is not None:
        _tell_ablation(catalogue, weighed, protocol, report, as_json, {**parts, **judging})
    else:
        _tell_protocol(catalogue, protocol, report, as_json, {"rerank": weighed, **parts, **judging})


def _weighed(recipe: RerankRecipe | None, holdout: str | None, *, ablation: bool) -> RerankRecipe | None:
    """The recipe, when it fits the other options."""
    if recipe is not None and holdout is not None:
        raise InputError("expected a holdout judged by the embedding alone, found --rerank with it")
    if ablation and recipe is None:
        raise InputError("expected --rerank with --ablation, found none")
    return recipe


def _tell_protocol(catalogue: Path, protocol: str, report: Path | None, as_json: bool, how: dict[str, Any]) -> None:
    from resight.pipeline import evaluate_catalogue

    _tell(evaluate_catalogue(catalogue, protocol, **how), report, as_json)


def _tell_holdout(catalogue: Path, holdout: str, report: Path | None, as_json: bool, how: dict[str, Any]) -> None:
    from resight.pipeline import judge_holdout

    _tell(judge_holdout(catalogue, holdout, **how), report, as_json)


def _tell(done: Evaluation, report: Path | None, as_json: bool) -> None:
    from resight.pipeline import write_evaluation_report

    if report is not None:
        write_evaluation_report(report, done)
        typer.echo(f"report: {report}", err=True)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(done.to_json(), indent=2) if as_json else str(done))


def _tell_ablation(
    catalogue: Path, recipe: RerankRecipe, protocol: str, report: Path | None, as_json: bool, how: dict[str, Any]
) -> None:
    from resight.pipeline import ablate_catalogue, write_ablation_report

    table = ablate_catalogue(catalogue, recipe, protocol, **how)
    if report is not None:
        write_ablation_report(report, table)
        typer.echo(f"report: {report}", err=True)
    typer.echo(json.dumps(table.to_json(), indent=2) if as_json else str(table))
