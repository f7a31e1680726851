"""Sets of forged photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.options import Json, Labels, Layout, Seed
from resight.errors import InputError

if TYPE_CHECKING:
    from resight.datasets.forging import Landmarks


def forge(
    photos: Annotated[Path, typer.Argument(help="Folder of photos of faces, or a table that lies beside them.")],
    out: Annotated[Path, typer.Option(help="New folder for the set.")],
    labels: Labels = None,
    layout: Layout = "auto",
    model: Annotated[
        str | None, typer.Option(help="Bundle of faces that finds them. Default: they lie as on the crops of LFW.")
    ] = None,
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

    Without --model the faces must lie where they do on the 125 x 150 crops of Labeled Faces in the Wild.

    Example:  resight forge faces --out forged --model my-faces --kind swap --kind warp
    """
    from resight.datasets.forging import KINDS, forge_photos

    made = forge_photos(
        photos,
        out,
        labels=labels,
        layout=layout,
        landmarks=_landmarks(model),
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


def _landmarks(model: str | None) -> Landmarks:
    """What says where the face on a photo is."""
    from resight.datasets.forging import points_in_crop
    from resight.embed import Bundle

    if model is None:
        return points_in_crop
    bundle = Bundle.load(model)
    if bundle.info.face is None:
        raise InputError(f"expected a bundle of faces for --model, found {bundle.model_id}, which is for whole photos")
    return bundle.face_points
