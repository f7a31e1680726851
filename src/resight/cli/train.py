"""Training: a head on the vectors that a catalogue holds, or a whole network on its photos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.options import Folder, Json, Model, Same, Seed, Settings

if TYPE_CHECKING:
    from resight.train import HeadTraining, NetworkTraining

app = typer.Typer(help="Learn a better model from your own labelled photos.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Learn a better model from your own labelled photos."""


@app.command()
def head(
    catalogue: Folder,
    recipe: Annotated[str, typer.Option(help="TOML recipe: a file, or the name of one that ships.")] = "quick-head",
    out: Annotated[Path | None, typer.Option(help="New folder for the bundle; the catalogue keeps a copy.")] = None,
    name: Annotated[str, typer.Option(help="Name of the new bundle.")] = "head",
    model: Model = None,
    same: Same = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Try only this head of the recipe, such as lda; may be repeated.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn a head on the stored vectors; it is taken when it helps with individuals that it never saw.

    Example:  resight train head --catalogue mine --same side --out mine-head
    """
    from resight.config import HeadRecipe
    from resight.train import train_head

    asked = HeadRecipe.read(recipe)
    found = train_head(
        catalogue,
        recipe=asked,
        out=out,
        name=name,
        model=model,
        same=same or (),
        only=only or (),
        seed=seed,
    )
    _told(found, catalogue, same or asked.same, as_json)


@app.command()
def network(
    catalogue: Folder,
    run: Annotated[Path, typer.Option(help="Folder of the run: a new one, or an interrupted one that goes on.")],
    recipe: Annotated[str, typer.Option(help="TOML recipe: a file, or the name of one that ships.")] = "individuals",
    settings: Settings = None,
    name: Annotated[str, typer.Option(help="Name of the new bundle.")] = "network",
    same: Same = None,
    mlflow: Annotated[
        str | None, typer.Option(help="Where MLflow keeps what it shows: the folder of the runs, or a server.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn a whole network, stage by stage; the same command goes on with a run that was interrupted.

    Example:  resight train network --catalogue mine --recipe humpback --run runs/first
    """
    from resight.config import TrainRecipe, overridden, settings_of
    from resight.train import train_network

    asked = overridden(TrainRecipe.read(recipe), settings_of(settings or ()), "--set")
    chosen = asked.model_copy(update={"same": tuple(same)}) if same else asked
    found = train_network(
        catalogue,
        run=run,
        recipe=chosen,
        name=name,
        mlflow=mlflow,
        seed=seed,
    )
    _told(found, catalogue, chosen.same, as_json)


@app.command()
def forgery(
    catalogue: Folder,
    out: Annotated[Path, typer.Option(help="New folder for the head.")],
    model: Model = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn a head that tells forged photos from real ones; judged by persons that it never saw.

    Example:  resight train forgery --catalogue forged-catalogue --out forgery-head
    """
    from resight.train import train_forgery

    found = train_forgery(catalogue, out, model=model, seed=seed)
    for failure in found.failures:
        typer.echo(f"left out: {failure.path}: {failure.reason}", err=True)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))


def _told(found: HeadTraining | NetworkTraining, catalogue: Path, same: Sequence[str], as_json: bool) -> None:
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))
    if found.bundle is not None:
        agree = "".join(f" --same {column}" for column in same)
        command = f"resight calibrate --catalogue {catalogue} --model {found.bundle}{agree} --goal fpir=0.05"
        typer.echo(f"next: {command}", err=True)
