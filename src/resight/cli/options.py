"""The options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.errors import InputError

if TYPE_CHECKING:
    from resight.config import RerankRecipe

Folder = Annotated[Path, typer.Option("--catalogue", "-c", help="The catalogue: a folder on disk.")]
Model = Annotated[str | None, typer.Option(help="Bundle, by name or path. Default: the catalogue's own.")]
Same = Annotated[
    list[str] | None,
    typer.Option(help="Column in which a candidate must agree with the query, such as side; may be repeated."),
]
Per = Annotated[
    str | None, typer.Option(help="Column whose values get a threshold each, such as species, as far as they differ.")
]
Labels = Annotated[Path | None, typer.Option(help="Table of labels, when it does not lie in the folder of photos.")]
Layout = Annotated[str, typer.Option(help="Label layout; auto recognises it by content.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first photo that cannot be read.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn at random.")]
Collection = Annotated[str, typer.Option(help="Name of the collection in Milvus.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Who = Annotated[str, typer.Option(envvar=["RESIGHT_WHO", "USER"], help="Name written into the journal.")]
Reranked = Annotated[
    bool, typer.Option("--rerank", help="Weigh what  calibrate --rerank  fitted, too: slower, and better.")
]
Rerank = Annotated[bool, typer.Option("--rerank", help="Weigh keypoints and all that the recipe names, too.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A key of the recipe set anew, such as stages.0.n_epochs=5; may be repeated."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="TOML recipe of --rerank: a file, or rerank-free (photos not framed alike), or rerank-landmarks."
    ),
]
Distractors = Annotated[
    Path | None,
    typer.Option(help="With --rerank: folder of photos of the same kind that show nobody of the catalogue."),
]


def recipe_of(rerank: bool, recipe: str | None, distractors: Path | None = None) -> RerankRecipe | None:
    """The recipe that the options ask for; a recipe's file asks by itself.

    Raises:
        InputError: when there are distractors and nothing that would look at them.
    """
    if not rerank and recipe is None:
        if distractors is not None:
            raise InputError(f"expected --rerank with --distractors {distractors}, found none")
        return None
    from resight.config import RerankRecipe

    return RerankRecipe.read(recipe or "rerank")
