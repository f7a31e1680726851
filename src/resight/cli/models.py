"""The model bundles and their licences."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from resight.cli.options import Json

app = typer.Typer(help="The model bundles and their licences.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the bundles that ship with resight.

    Example:  resight models list
    """
    from resight.embed import describe, shipped_bundles

    for name in shipped_bundles():
        info = describe(name)
        typer.echo(f"{name:<24} {info.dimension:>5} dimensions  {info.input_side_px} px  {info.licence}")


@app.command()
def show(
    bundle: Annotated[str, typer.Argument(help="Name of a shipped bundle, or path of a folder or zip.")],
    as_json: Json = False,
) -> None:
    """Show a bundle's input, licence and source.

    Example:  resight models show efficientnet-lite0
    """
    from resight.embed import describe

    info = describe(bundle)
    facts = {"model_id": info.model_id, **json.loads(info.to_text())}
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        typer.echo(f"{key:<18} {value}")
