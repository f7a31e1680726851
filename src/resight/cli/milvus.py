"""A catalogue's gallery in Milvus: push it there, pull it back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Collection, Folder, Json, Model

app = typer.Typer(help="Keep a gallery in Milvus, past one machine; then  identify --milvus.", no_args_is_help=True)

Patience = Annotated[float, typer.Option(help="Seconds that a call waits for a server that is away.")]


@app.command()
def push(
    uri: Annotated[str, typer.Argument(help="http://host:19530, or a path that ends in .db for Milvus Lite.")],
    catalogue: Folder,
    collection: Collection = "resight",
    model: Model = None,
    index: Annotated[str, typer.Option(help="HNSW, HNSW_SQ (a quarter of the memory) or FLAT (exact).")] = "HNSW",
    column: Annotated[list[str] | None, typer.Option(help="A further column that must agree, such as a place.")] = None,
    patience_s: Patience = 60.0,
    as_json: Json = False,
) -> None:
    """Let Milvus hold the labelled photos of a catalogue; only what is new or has changed is sent.

    Example:  resight milvus push http://milvus:19530 --catalogue mine
    """
    from resight.pipeline import push_to_milvus

    columns = tuple(column or ())
    done = push_to_milvus(
        catalogue, uri, collection=collection, model=model, index=index, columns=columns, patience_s=patience_s
    )
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
        return
    typer.echo(f"written     {done.n_written} photos ({done.n_kept} there already, {done.n_removed} removed)")
    typer.echo(f"next: resight identify PHOTOS --catalogue {catalogue} --milvus {uri}", err=True)


@app.command()
def pull(
    uri: Annotated[str, typer.Argument(help="http://host:19530, or a path that ends in .db for Milvus Lite.")],
    out: Annotated[Path, typer.Option(help="Folder for vectors.npy and names.csv.")],
    collection: Collection = "resight",
    patience_s: Patience = 60.0,
    as_json: Json = False,
) -> None:
    """Bring the vectors of a collection back as files, which `resight embeddings index` reads.

    Example:  resight milvus pull http://milvus:19530 --out pulled
    """
    from resight.pipeline import pull_from_milvus

    done = pull_from_milvus(uri, out, collection=collection, patience_s=patience_s)
    if as_json:
        typer.echo(
            json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in asdict(done).items()}, indent=2)
        )
        return
    typer.echo(f"vectors     {done.n_photos} of {done.model} in {done.vectors}, called as in {done.names}")
