"""Training: a head on the vectors that a catalogue holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Folder, Json, Model, Same, Seed

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

    found = train_head(
        catalogue,
        recipe=HeadRecipe.read(recipe),
        out=out,
        name=name,
        model=model,
        same=same or (),
        only=only or (),
        seed=seed,
    )
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))
    if found.bundle is not None:
        typer.echo(f"next: resight calibrate --catalogue {catalogue} --model {found.bundle}", err=True)
