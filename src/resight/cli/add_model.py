"""A model file of the user's own, made a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from resight.cli.options import Json
from resight.errors import ConfigError, InputError

Graph = Annotated[Path, typer.Argument(help="ONNX file: (B, 3, S, S) to (B, D), all its weights inside.")]
Name = Annotated[str, typer.Option(help="Of the bundle: small letters, digits, '-', '_' and '.'.")]
Side = Annotated[int, typer.Option(help="Side S of the square that the model takes, in px.")]
Licence = Annotated[str, typer.Option(help="Of the weights: an SPDX identifier, or LicenseRef-... .")]
Commercial = Annotated[str, typer.Option(help="Whether that licence allows it: yes or no.")]
Resize = Annotated[str, typer.Option(help="How a photo is brought to the square: squash, crop or pad.")]
Colour = Annotated[str, typer.Option(help="Order of the channels that the model takes: RGB or BGR.")]
Mean = Annotated[str, typer.Option(help="Taken off each channel (0 to 255): one number, or three with commas.")]
Std = Annotated[str, typer.Option(help="Each channel is divided by it then: one number, or three with commas.")]
Finder = Annotated[str | None, typer.Option(help="Of a face model: what finds faces, yunet or boxes-68.")]
Detector = Annotated[Path | None, typer.Option(help="With --face: the detector's ONNX file.")]
Landmarks = Annotated[Path | None, typer.Option(help="With --face boxes-68: the landmarks' ONNX file.")]
Several = Annotated[str | None, typer.Option(help="With --face: which counts: middle, largest, surest or refuse.")]
Without = Annotated[str | None, typer.Option(help="With --face: refuse a photo without one, or take the whole of it.")]
MinScore = Annotated[float | None, typer.Option(help="With --face: faces below do not count, 0 to 1.")]
Summary = Annotated[str, typer.Option(help="What the model is.")]
Authors = Annotated[str, typer.Option(help="Who made the weights.")]
Source = Annotated[str, typer.Option(help="Where the weights come from.")]
Out = Annotated[Path | None, typer.Option(help="Folder of bundles. Default: RESIGHT_MODELS, or your user data.")]


def add_model(
    graph: Graph,
    name: Name,
    side: Side,
    licence: Licence,
    commercial_use: Commercial,
    resize: Resize = "squash",
    colour: Colour = "RGB",
    mean: Mean = "127.5",
    std: Std = "127.5",
    face: Finder = None,
    detector: Detector = None,
    landmarks: Landmarks = None,
    several: Several = None,
    without_face: Without = None,
    min_score: MinScore = None,
    summary: Summary = "",
    authors: Authors = "",
    source: Source = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make a bundle of an ONNX file of your own: tried, its licence written down, found by its name.

    Example:  resight models add w600k.onnx --name w600k --side 112 --licence LicenseRef-research
    --commercial-use no --face yunet --detector yunet.onnx
    """
    from resight.embed import add_bundle

    files = {key: path for key, path in (("detector.onnx", detector), ("landmarks.onnx", landmarks)) if path}
    rules = {"several": several, "without_face": without_face, "min_score": min_score}
    says: dict[str, Any] = {"licence": licence, "commercial_use": _yes(commercial_use), "side_px": side}
    says |= {"resize": resize, "colour": colour, "mean": _three(mean, "mean"), "std": _three(std, "std")}
    says |= {"summary": summary, "authors": authors, "source": source, "folder": out}
    done = add_bundle(graph, name, face=_face(face, files, rules), face_files=files, **says)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(done.to_json(), indent=2) if as_json else f"{done.info.model_id}  {done.bundle}")


def _face(finder: str | None, files: dict[str, Path], rules: dict[str, Any]) -> dict[str, Any] | None:
    """What is said of faces; None of a model that is not of faces."""
    stated = {key: value for key, value in rules.items() if value is not None}
    if finder is None and (files or stated):
        said = ", ".join([*files, *stated])
        raise InputError(f"expected --face beside what is said of faces ({said}), found none: name what finds them")
    return None if finder is None else {"finder": finder, **stated}


def _yes(word: str) -> bool:
    if word not in ("yes", "no"):
        raise ConfigError(f"expected yes or no for --commercial-use, found '{word}'", key="commercial_use")
    return word == "yes"


def _three(text: str, key: str) -> tuple[float, float, float]:
    """One number for all three channels, or one for each."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise ConfigError(f"expected one number or three with commas for --{key}, found '{text}'", key=key)
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third
