"""Taking a catalogue out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Folder, Json


def export(
    catalogue: Folder,
    out: Annotated[Path, typer.Option(help="The file to write; for camtrap the folder.")],
    format_name: Annotated[
        str, typer.Option("--format", help="csv, wildlife, coco, wildbook, camtrap or capture-history.")
    ] = "csv",
    occasions: Annotated[
        str | None, typer.Option(help="Of capture histories: day, month, year or encounter. Default: month.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Of capture histories: column whose value is an individual's group, such as side."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write photos and names, with all edits, in the format of another system.

    Example:  resight export --catalogue mine --format coco --out mine.json

    Example:  resight export --catalogue mine --format capture-history --group side --out mine.inp
    """
    from resight.pipeline import export_catalogue

    done = export_catalogue(catalogue, format_name, out, overwrite=overwrite, occasions=occasions, group=group)
    if as_json:
        typer.echo(json.dumps(done.to_json(), indent=2))
        return
    typer.echo(f"{done.path}: {done.n_photos} photos of {done.n_identities} individuals as {done.format}")
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
