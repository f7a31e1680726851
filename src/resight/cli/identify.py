"""The main job: index, calibrate, identify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from resight.cli.options import (
    Collection,
    Distractors,
    Folder,
    Json,
    Labels,
    Layout,
    Model,
    Per,
    Recipe,
    Rerank,
    Reranked,
    Same,
    Seed,
    Strict,
    Who,
    recipe_of,
)
from resight.cli.submission import (
    Format,
    Out,
    Sample,
    compare,
    form_to_fill,
    list_failures,
    list_remarks,
    tell_submission,
)
from resight.errors import InputError

if TYPE_CHECKING:
    from resight.core import Catalogue, Decision
    from resight.pipeline import Identification, Indexed
    from resight.scale import RayEngine

Engine = Literal["local", "ray"]


def index(
    photos: Annotated[str, typer.Argument(help="Folder of photos; with --engine ray also a URL, such as s3://…")],
    catalogue: Folder,
    labels: Labels = None,
    layout: Layout = "auto",
    model: Model = None,
    strict: Strict = False,
    engine: Annotated[Engine, typer.Option(help="What embeds: this process, or the workers of Ray.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="With ray: worker processes. Default: one per core.")
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="With ray: address of a cluster. Default: RAY_ADDRESS, else Ray on this machine only."),
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, max=1, help="With ray: GPUs of each worker, also a part of one.")] = 0.0,
    who: Who = "index",
    as_json: Json = False,
) -> None:
    """Bring photos and labels into a catalogue, and embed what is new.

    Example:  resight index photos --catalogue mine --labels names.csv

    Example:  resight index s3://bucket/photos --catalogue mine --engine ray --workers 8
    """
    from resight.pipeline import index_photos

    wish: dict[str, Any] = {"labels": labels, "layout": layout, "model": model, "strict": strict, "who": who}
    if engine == "ray":
        done = index_photos(_place(photos, labels, layout), catalogue, **wish, engine=_ray(workers, ray_address, gpus))
    elif workers is not None or gpus or ray_address is not None or "://" in photos:
        wishes = {"--workers": workers, "--gpus": gpus or None, "--ray-address": ray_address, "the photos": photos}
        asked = next(f"{name} {value}" for name, value in wishes.items() if value is not None)
        raise InputError(f"expected --engine ray with {asked}, found --engine {engine}")
    else:
        done = index_photos(photos, catalogue, **wish)
    tell_indexed(done, as_json=as_json)
    tell_next(done, catalogue, model)


def _ray(n_workers: int | None, address: str | None, gpus: float) -> RayEngine:
    from resight.scale import RayEngine

    return RayEngine(n_workers, address=address, gpus=gpus)


def _place(photos: str, labels: Path | None, layout: str) -> str | Catalogue:
    from resight.images import is_url
    from resight.scale import remote_photos

    if not is_url(photos):
        return photos.removeprefix("file://")
    if layout != "auto":
        raise InputError(f"expected labels in a table or as folders for photos behind a URL, found --layout {layout}")
    return remote_photos(photos, labels)


def tell_indexed(done: Indexed, *, as_json: bool) -> None:
    """Print what indexing did."""
    list_failures(done.failures)
    list_remarks(done.remarks)
    if as_json:
        typer.echo(json.dumps(done.to_json(), indent=2))
        return
    typer.echo(f"layout      {done.layout}")
    typer.echo(
        f"photos      {done.n_photos} ({done.n_added} new, {done.n_removed} gone, {len(done.failures)} unreadable)"
    )
    if not done.n_identities:
        typer.echo("note: no photo has a name; label them by folders or by a table with a column 'identity'", err=True)
    typer.echo(f"individuals {done.n_identities} in the catalogue ({done.n_relabelled} photos relabelled)")
    typer.echo(f"vectors     {done.n_embedded} made with {done.model}")


def tell_next(done: Indexed, catalogue: Path, model: str | None = None) -> None:
    """Print the command that comes after indexing, once somebody is named."""
    if done.n_identities:
        by = "" if model is None else f" --model {model}"
        typer.echo(f"next: resight calibrate --catalogue {catalogue}{by} --goal fpir=0.01", err=True)


def calibrate(
    catalogue: Folder,
    goal: Annotated[
        str, typer.Option(help="fpir=RATE, conformal=RATE, share-new=SHARE, best=map@5 or best=baks-baus.")
    ] = "fpir=0.01",
    same: Same = None,
    per: Per = None,
    share_new: Annotated[
        float, typer.Option(help="Share of new individuals among the photos to come, for the probabilities.")
    ] = 0.5,
    model: Model = None,
    rerank: Rerank = False,
    recipe: Recipe = None,
    distractors: Distractors = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Choose and store the operating point, from the catalogue's own photos.

    Example:  resight calibrate --catalogue mine --goal fpir=0.01 --same side

    Example:  resight calibrate --catalogue mine --rerank
    """
    from resight.pipeline import calibrate_catalogue

    weighed: dict[str, Any] = {"rerank": recipe_of(rerank, recipe, distractors), "distractors": distractors}
    wish: dict[str, Any] = {"same": same or (), "per": per, "share_new": share_new}
    point = calibrate_catalogue(catalogue, goal, model=model, seed=seed, **wish, **weighed)
    if as_json:
        typer.echo(json.dumps(point.to_json(), indent=2))
        return
    typer.echo(f"goal        {point.goal}")
    typer.echo(f"threshold   {point.threshold:.4f} {point.scale} (new below {point.new_below:.4f})")
    for one in point.group_thresholds:
        typer.echo(
            f"            {one.threshold:.4f} (new below {one.new_below:.4f}) for {point.group_column} {one.value}, "
            f"fitted on {one.n_individuals} individuals"
        )
    typer.echo(f"FPIR        {point.fpir}   strangers called by a known name")
    typer.echo(f"FNIR        {point.fnir}   known individuals missed")
    typer.echo(
        f"fitted on   {point.n_gallery} individuals, {point.n_mated} mated and {point.n_non_mated} non-mated searches"
    )
    for note in point.notes:
        typer.echo(f"note: {note}", err=True)


def identify(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, or one photo.")],
    catalogue: Folder,
    labels: Labels = None,
    top: Annotated[int, typer.Option(help="Candidates per photo.")] = 5,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with pictures here.")] = None,
    out: Out = None,
    format_name: Format = None,
    sample: Sample = None,
    model: Model = None,
    rerank: Reranked = False,
    milvus: Annotated[
        str | None, typer.Option(help="Search in Milvus at this address, which  resight milvus push  wrote to.")
    ] = None,
    collection: Collection = "resight",
    strict: Strict = False,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one CSV table.")] = False,
) -> None:
    """Say of each photo which individual it shows, or that it is a new one.

    Example:  resight identify new_photos --catalogue mine --report report.html

    Example:  resight identify new_photos --catalogue mine --rerank

    Example:  resight identify test --catalogue mine --format happywhale --sample sample.csv --out mine.csv
    """
    from resight.pipeline import Identifier, write_identification_report

    form = form_to_fill(format_name, sample, out)
    if form is not None and form.of.of_pairs:
        if report is not None or as_csv:
            raise InputError(f"expected --report and --csv for single photos, found the pairs of {form.of.name}")
        pairs = compare(photos, catalogue, form, labels=labels, model=model, strict=strict, as_json=as_json)
        tell_submission(pairs, form, out)
        return
    identifier = Identifier.open(catalogue, model=model, rerank=rerank, milvus=milvus, collection=collection)
    queries = photos if form is None else form.photos(photos, labels)
    found = identifier.identify(queries, labels=labels, top=top, strict=strict)
    tell_decisions(found, as_json=as_json, as_csv=as_csv)
    if report is not None:
        write_identification_report(report, identifier, found)
        typer.echo(f"report: {report}", err=True)
    tell_submission(found, form, out)


def tell_decisions(found: Identification, *, as_json: bool, as_csv: bool) -> None:
    """Print what was said of photos, as lines, JSON or CSV; and what there is to say about them."""
    from resight.evaluate import decisions_to_csv

    list_failures(found.failures)
    list_remarks(found.remarks)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    elif as_csv:
        typer.echo(decisions_to_csv(found.decisions), nl=False)
    else:
        typer.echo("verdict  probability  individual                query")
        for decision in found:
            name, probability = _said(decision)
            typer.echo(f"{decision.verdict:<8} {probability:11.2f}  {name:<24}  {decision.query}")


def _said(decision: Decision) -> tuple[str, float]:
    """The individual that a line names, "new" when that is more probable, and how probable it is."""
    if decision.identity is not None:
        return decision.identity, decision.probability
    first = decision.candidates[0] if decision.candidates else None
    if first is None or decision.verdict == "new" or decision.probability_new >= first.probability:
        return "new" if decision.verdict == "new" else "new?", decision.probability_new
    return f"{first.identity}?", first.probability
