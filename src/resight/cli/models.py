"""The model bundles and their licences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from resight.cli.add_model import add_model
from resight.cli.options import Json
from resight.errors import ResightError

app = typer.Typer(help="The model bundles and their licences.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the bundles that ship with resight, and those that you added.

    Example:  resight models list
    """
    from resight.embed import added_bundles, describe, shipped_bundles

    shipped = shipped_bundles()
    for name in [*shipped, *(name for name in added_bundles() if name not in shipped)]:
        try:
            info = describe(name)
        except ResightError as error:  # one broken bundle hides no other
            typer.echo(f"broken: {name}: {error}", err=True)
            continue
        marks = [
            "" if name in shipped else "added",
            "" if info.face is None else f"faces by {info.face.finder}",
            "" if info.commercial_use else "no commercial use",
        ]
        told = "".join(f"  {mark}" for mark in marks if mark)
        typer.echo(f"{name:<24} {info.dimension:>5} dimensions  {info.input_side_px} px  {info.licence}{told}")


app.command("add")(add_model)


@app.command()
def show(
    bundle: Annotated[str, typer.Argument(help="Name of a bundle, or path of a folder or zip.")],
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
    learned = facts.pop("learned", None)
    for key, value in facts.items():
        typer.echo(f"{key:<18} {value}")
    for line in _lines(learned, "learned"):
        typer.echo(line)


def _lines(value: Any, name: str, depth: int = 0) -> Iterator[str]:
    """What a bundle was learned from, one fact a line, tables and lists of tables below their name."""
    indent = "  " * depth
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        known = None not in (value["value"], value["low"], value["high"])
        value = f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]" if known else "unknown"
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        for number, one in enumerate(value):
            yield from _lines(one, f"{name}.{number}", depth)
    elif isinstance(value, dict) and value:
        yield f"{indent}{name}"
        for key, one in value.items():
            yield from _lines(one, key, depth + 1)
    elif value is not None:
        yield f"{indent}{name:<{max(18 - len(indent), 0)}} {value}"
