"""The model bundles and their licences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from resight.cli.options import Json
from resight.errors import ConfigError, InputError

app = typer.Typer(help="The model bundles and their licences.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the bundles that ship with resight, and those that you added.

    Example:  resight models list
    """
    from resight.embed import added_bundles, describe, shipped_bundles

    shipped = shipped_bundles()
    for name in [*shipped, *(name for name in added_bundles() if name not in shipped)]:
        info = describe(name)
        marks = [
            "" if name in shipped else "added",
            "" if info.face is None else f"faces by {info.face.finder}",
            "" if info.commercial_use else "no commercial use",
        ]
        told = "".join(f"  {mark}" for mark in marks if mark)
        typer.echo(f"{name:<24} {info.dimension:>5} dimensions  {info.input_side_px} px  {info.licence}{told}")


@app.command()
def add(
    graph: Annotated[Path, typer.Argument(help="ONNX file: (B, 3, S, S) to (B, D), all its weights inside.")],
    name: Annotated[str, typer.Option(help="Of the bundle: small letters, digits, '-', '_' and '.'.")],
    side: Annotated[int, typer.Option(help="Side S of the square that the model takes, in px.")],
    licence: Annotated[str, typer.Option(help="Of the weights: an SPDX identifier, or LicenseRef-... .")],
    commercial_use: Annotated[str, typer.Option(help="Whether that licence allows it: yes or no.")],
    resize: Annotated[str, typer.Option(help="How a photo is brought to the square: squash, crop or pad.")] = "squash",
    colour: Annotated[str, typer.Option(help="Order of the channels that the model takes: RGB or BGR.")] = "RGB",
    mean: Annotated[str, typer.Option(help="Taken off each channel (0 to 255): one number, or three.")] = "127.5",
    std: Annotated[str, typer.Option(help="Each channel is divided by it then: one number, or three.")] = "127.5",
    face: Annotated[str | None, typer.Option(help="Of a face model: what finds faces, yunet or boxes-68.")] = None,
    detector: Annotated[Path | None, typer.Option(help="With --face: the detector's ONNX file.")] = None,
    landmarks: Annotated[Path | None, typer.Option(help="With --face boxes-68: the landmarks' ONNX file.")] = None,
    several: Annotated[
        str | None, typer.Option(help="With --face: which of several counts: middle, largest, surest or refuse.")
    ] = None,
    without_face: Annotated[
        str | None, typer.Option(help="With --face: refuse a photo without one, or take the whole of it.")
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="With --face: faces below do not count, 0 to 1.")] = None,
    summary: Annotated[str, typer.Option(help="What the model is.")] = "",
    authors: Annotated[str, typer.Option(help="Who made the weights.")] = "",
    source: Annotated[str, typer.Option(help="Where the weights come from.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of bundles. Default: RESIGHT_MODELS, or your user data.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a bundle of an ONNX file of your own: tried, its licence written down, found by its name.

    Example:  resight models add w600k.onnx --name w600k --side 112 --licence LicenseRef-research
    --commercial-use no --face yunet --detector yunet.onnx
    """
    from resight.embed import add_bundle

    files = {key: path for key, path in (("detector.onnx", detector), ("landmarks.onnx", landmarks)) if path}
    stated = {"several": several, "without_face": without_face, "min_score": min_score}
    rules: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
    if face is None and (files or rules):
        raise InputError(f"expected --face beside what is said of faces ({', '.join([*files, *rules])}), found none")
    done = add_bundle(
        graph,
        name,
        licence=licence,
        commercial_use=_yes(commercial_use),
        side_px=side,
        resize=resize,
        colour=colour,
        mean=_three(mean, "mean"),
        std=_three(std, "std"),
        face=None if face is None else {"finder": face, **rules},
        face_files=files,
        summary=summary,
        authors=authors,
        source=source,
        folder=out,
    )
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(done.to_json(), indent=2) if as_json else f"{done.info.model_id}  {done.bundle}")


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
