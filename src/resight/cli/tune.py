"""Tuning: which settings of a recipe are best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Folder, Json, Seed, Settings

_Space = Annotated[str, typer.Option(help="TOML of the keys that are tried and their ranges: a file, or space.")]
_Run = Annotated[Path, typer.Option("--run", help="Folder of the study; one that was begun goes on.")]


def tune(
    catalogue: Folder,
    run: _Run,
    space: _Space = "space",
    recipe: Annotated[str, typer.Option(help="TOML recipe of the network: a file, or one that ships.")] = "individuals",
    settings: Settings = None,
    trials: Annotated[int, typer.Option(min=1, help="Trainings in total, those of earlier calls among them.")] = 30,
    timeout_s: Annotated[float | None, typer.Option(help="No trial begins after so many seconds.")] = None,
    pruning: Annotated[bool, typer.Option(help="Stop trials that fall behind.")] = True,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train with many settings of a recipe and find the best ones; can be stopped, and goes on.

    Example:  resight tune --catalogue mine --space space.toml --run tuned --trials 20
    """
    from resight.config import SpaceRecipe, TrainRecipe, overridden, settings_of
    from resight.train import tune_network

    found = tune_network(
        catalogue,
        SpaceRecipe.read(space),
        recipe=overridden(TrainRecipe.read(recipe), settings_of(settings or ()), "--set"),
        run=run,
        n_trials=trials,
        seed=seed,
        timeout_s=timeout_s,
        pruning=pruning,
    )
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(found.to_json(), indent=2, allow_nan=False) if as_json else str(found))
    if found.best is not None:
        best = f"--recipe {run / 'best.toml'} --run {run / 'best'}"
        typer.echo(f"next: resight train network --catalogue {catalogue} {best}", err=True)
