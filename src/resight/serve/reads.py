"""Routes that only look: what waits, who it may be, who there is."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from resight.serve.parts import Asked, Filter, ImageId, Served

__all__ = ["router"]

router = APIRouter(prefix="/v1")

Count = Annotated[int, Query(ge=1, le=200)]


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
    starts: Annotated[str, Query(max_length=300, description="Beginning of the name.")] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    n: Count = 50,
) -> dict[str, Any]:
    """A page of the individuals, by name."""
    page, n_all = service.desk.individuals(wanted, starts=starts, offset=offset, n=n)
    return {"individuals": [one.to_json() for one in page], "n_all": n_all, "offset": offset}


@router.get("/individual", tags=["individuals"])
def individual(
    service: Served, name: Annotated[str, Query(min_length=1, max_length=300, description="Of the individual.")]
) -> dict[str, Any]:
    """An individual with all its photos, each with its version."""
    return service.desk.individual(name).to_json()


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
    after: Annotated[int, Query(ge=0, le=2**53, description="Only what came after this row.")] = 0,
    n: Count = 50,
) -> dict[str, Any]:
    """The journal: the last rows of it, the oldest first."""
    entries = service.desk.store.log(after=after)
    return {"entries": [entry.to_json() for entry in entries[-n:]], "n_all": len(entries)}


@router.get("/contradictions", tags=["changes"])
def contradictions(service: Served) -> dict[str, Any]:
    """Photos said to be different that bear one name, and photos said to be the same that bear two."""
    return {"contradictions": [one.to_json() for one in service.desk.store.contradictions()]}
