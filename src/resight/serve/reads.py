"""Routes that only look: what waits, who it may be, who there is."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from resight.errors import UnknownNameError
from resight.serve.parts import Asked, Beginning, Called, Count, Filter, ImageId, Offset, Served
from resight.serve.schemas import N_SEEN
from resight.store import JournalEntry

__all__ = ["router"]

router = APIRouter(prefix="/v1")

_LAST_ROW = 2**31 - 2
"""Numbers of rows stay below what a database counts to."""
Row = Annotated[int, Query(ge=0, le=_LAST_ROW)]


@router.get("/queue", tags=["review"])
def queue(
    service: Served, who: Asked, wanted: Filter, n: Count = 20, by: Literal["teaches", "order"] = "teaches"
) -> dict[str, Any]:
    """The photos that wait for a decision, the most telling first, and how much is expected to be wrong."""
    return service.desk.queue(wanted, n, by, who=who).to_json()


@router.get("/candidates", tags=["review"])
def candidates(
    service: Served,
    image_id: ImageId,
    wanted: Filter,
    top: Count = 10,
    by: Literal["individual", "image"] = "individual",
) -> dict[str, Any]:
    """A photo beside those that it may show; its `version` goes back with the judgement as `seen`."""
    return service.desk.candidates(image_id, filter=wanted, top=top, by=by).to_json()


@router.get("/matches", tags=["review"])
def matches(service: Served, image_id: ImageId, candidate_id: ImageId) -> dict[str, Any]:
    """Where two photos agree: lines from one to the other, in shares of width and height."""
    return service.desk.match_lines(image_id, candidate_id, service.workers.lines).to_json()


@router.get("/photo", tags=["photos"])
def photo(service: Served, image_id: ImageId) -> dict[str, Any]:
    """What is known of a photo."""
    return service.desk.photo(image_id).to_json()


@router.get(
    "/photo/image",
    tags=["photos"],
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "As it was."}},
)
def image(
    service: Served,
    request: Request,
    image_id: ImageId,
    side_px: Annotated[int, Query(ge=16, le=4096, description="Length of the longer side.")] = 800,
    whole: Annotated[bool, Query(description="Also what lies outside its box.")] = False,
) -> Response:
    """A photo as JPEG, upright, no larger than asked for."""
    path, box = service.desk.photo_file(image_id)
    try:
        stat = path.stat()
        told = f"{path} {stat.st_size} {stat.st_mtime_ns} {side_px} {box if not whole else None}"
    except OSError:
        told = ""  # reading it says what is wrong
    etag = f'"{hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=0, must-revalidate"}
    if told and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(
        service.workers.picture(path, side_px, None if whole else box), headers=headers, media_type="image/jpeg"
    )


@router.get("/individuals", tags=["individuals"])
def individuals(
    service: Served,
    wanted: Filter,
    starts: Beginning = "",
    offset: Offset = 0,
    n: Count = 50,
) -> dict[str, Any]:
    """A page of the individuals, by name."""
    page, n_all = service.desk.individuals(wanted, starts=starts, offset=offset, n=n)
    return {"individuals": [one.to_json() for one in page], "n_all": n_all, "offset": offset}


@router.get("/individual", tags=["individuals"])
def individual(
    service: Served,
    name: Called,
    offset: Offset = 0,
    n: Annotated[int, Query(ge=1, le=N_SEEN, description="How many photos to give at most.")] = N_SEEN,
) -> dict[str, Any]:
    """An individual with its photos, each with its version: by default as many as a change may name as `seen`."""
    told = service.desk.individual(name).to_json()
    return {**told, "photos": told["photos"][offset : offset + n], "offset": offset}


@router.get("/filters", tags=["review"])
def filters(service: Served) -> dict[str, list[str]]:
    """The columns to filter by, and their values."""
    return service.desk.filters()


@router.get("/dashboard", tags=["review"])
def dashboard(service: Served) -> dict[str, Any]:
    """How far the catalogue is."""
    return service.desk.dashboard().to_json()


@router.get("/journal", tags=["changes"])
def journal(
    service: Served,
    after: Annotated[Row, Query(description="Only what came after this row.")] = 0,
    before: Annotated[Row | None, Query(description="Only what came before this row: the page before a page.")] = None,
    n: Count = 50,
    whole: Annotated[bool, Query(description="With the labels of all photos, before and after.")] = False,
) -> dict[str, Any]:
    """The journal: the last rows of it, the oldest first, with the number of photos in place of their labels."""
    store = service.desk.store
    entries = [one.to_json() if whole else _in_brief(one) for one in store.log(after=after, before=before, last=n)]
    return {"entries": entries, "n_all": store.n_entries(after=after, before=before)}


@router.get("/journal/{number}", tags=["changes"])
def journal_entry(service: Served, number: Annotated[int, Path(ge=1, le=_LAST_ROW)]) -> dict[str, Any]:
    """A row of the journal, with the labels of all its photos before and after."""
    found = service.desk.store.log(after=number - 1, before=number + 1)
    if not found:
        raise UnknownNameError("journal entry", str(number), ())
    return found[0].to_json()


@router.get("/contradictions", tags=["changes"])
def contradictions(service: Served, offset: Offset = 0, n: Count = 50) -> dict[str, Any]:
    """Photos said to be different that bear one name, and photos said to be the same that bear two."""
    found = service.desk.store.contradictions()
    page = [one.to_json() for one in found[offset : offset + n]]
    return {"contradictions": page, "n_all": len(found), "offset": offset}


def _in_brief(entry: JournalEntry) -> dict[str, Any]:
    told = entry.to_json()
    del told["before"], told["after"]
    return {**told, "n_photos": len(entry.after)}
