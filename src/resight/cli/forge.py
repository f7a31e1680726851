"""Sets of forged photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Json, Labels, Layout, Seed


def forge(
    photos: Annotated[Path, typer.Argument(help="Folder of photos of faces, or a table that lies beside them.")],
    out: Annotated[Path, typer.Option(help="New folder for the set.")],
    labels: Labels = None,
    layout: Layout = "auto",
    kind: Annotated[
        list[str] | None, typer.Option(help="swap, warp or upsample; may be repeated. Default: all in turn.")
    ] = None,
    fake_share: Annotated[float, typer.Option(help="Forged photos for each real one.")] = 0.5,
    quality: Annotated[tuple[int, int], typer.Option(help="Range of the JPEG qualities, of all photos alike.")] = (
        75,
        95,
    ),
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write a set with forged photos of each person, laid out as kryptonite's, to test and train on.

    The faces must lie where they do on the 125 x 150 crops of Labeled Faces in the Wild; for others give a
    function that finds them to resight.forge_photos.

    Example:  resight forge faces --out forged --kind swap --kind warp
    """
    from resight.datasets.forging import KINDS, forge_photos

    made = forge_photos(
        photos,
        out,
        labels=labels,
        layout=layout,
        kinds=kind or tuple(KINDS),
        fake_share=fake_share,
        quality=quality,
        seed=seed,
    )
    for failure in made.failures:
        typer.echo(f"left out: {failure.path}: {failure.reason}", err=True)
    typer.echo(json.dumps(made.to_json(), indent=2) if as_json else str(made))
    catalogue = f"{made.out}-catalogue"
    steps = f"resight index {made.out} --catalogue {catalogue}, then resight train forgery --catalogue {catalogue}"
    typer.echo(f"next: {steps} --out {made.out}-head", err=True)
