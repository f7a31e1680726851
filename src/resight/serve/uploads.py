"""Routes that take photos: one to identify, many to index in the background."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import StreamingResponse

from resight.serve.jobs import Job, safe_name
from resight.serve.parts import Asked, Served, Service
from resight.serve.problems import Problem

__all__ = ["router"]

router = APIRouter(prefix="/v1")

_KNOWN = ("encounter", "species", "side", "date")
_MOST_CANDIDATES = 200
_TICK_S = 0.3
_N_FIELDS = 20


def _form(files: str, *, many: bool, **further: Any) -> dict[str, Any]:
    """The description of a form that is read by hand, so that its limits are ours."""
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    columns = {name: {"type": "string", "maxLength": 300} for name in _KNOWN}
    sent = {"type": "array", "items": binary, "minItems": 1} if many else binary
    schema = {"type": "object", "required": [files], "properties": {files: sent, **columns, **further}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/identify", tags=["photos"], openapi_extra=_form("photo", many=False, top={"type": "integer", "minimum": 1})
)
async def identify(service: Served, request: Request) -> dict[str, Any]:
    """Who is on a photo that is not in the catalogue, and is not kept: the verdict and the candidates."""
    async with request.form(max_files=1, max_fields=_N_FIELDS) as form:
        photo = form.get("photo")
        if not isinstance(photo, UploadFile):
            raise Problem(422, "expected a photo as 'photo' of the form, found none")
        top, known = _top(form), _columns(form)
        return await run_in_threadpool(_identified, service, photo, known, top)


@router.post("/jobs", status_code=202, tags=["jobs"], openapi_extra=_form("photos", many=True))
async def send(service: Served, who: Asked, request: Request) -> dict[str, Any]:
    """Photos to index: kept at once, searchable when the job is done."""
    async with request.form(max_files=service.settings.max_files, max_fields=_N_FIELDS) as form:
        photos = [one for one in form.getlist("photos") if isinstance(one, UploadFile)]
        if not photos:
            raise Problem(422, "expected photos as 'photos' of the form, found none")
        columns = _columns(form)
        return await run_in_threadpool(_kept, service, photos, columns, who)


@router.get("/jobs", tags=["jobs"])
def jobs(
    service: Served,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="How many of the last ones to pass over.")] = 0,
    n: Annotated[int, Query(ge=1, le=200, description="How many to give at most.")] = 50,
) -> dict[str, Any]:
    """The last jobs, the oldest first, with the number of photos in place of their names."""
    found = service.jobs.all()
    page = found[::-1][offset : offset + n][::-1]
    return {"jobs": [_in_brief(job) for job in page], "n_all": len(found), "offset": offset}


def _in_brief(job: Job) -> dict[str, Any]:
    told = {name: value for name, value in job.to_json().items() if name not in ("photos", "image_ids", "failures")}
    return {**told, "n_failures": len(job.failures)}


@router.get("/jobs/{job_id}", tags=["jobs"])
def job(service: Served, job_id: str) -> dict[str, Any]:
    """A job."""
    return service.jobs.get(job_id).to_json()


@router.get(
    "/jobs/{job_id}/events",
    tags=["jobs"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(service: Served, job_id: str) -> StreamingResponse:
    """A job at each step, as server-sent events, until it is over."""
    first = await run_in_threadpool(service.jobs.get, job_id)

    async def told() -> AsyncIterator[str]:
        now, before = first, None
        while True:
            if now != before:
                yield f"event: job\ndata: {json.dumps(now.to_json(), ensure_ascii=False)}\n\n"
            if now.is_over or service.closing:
                return
            before = now
            await asyncio.sleep(_TICK_S)
            now = await run_in_threadpool(service.jobs.get, job_id)

    return StreamingResponse(told(), media_type="text/event-stream")


def _identified(service: Service, photo: UploadFile, known: Mapping[str, str], top: int) -> dict[str, Any]:
    _check_size(service, photo)
    name = safe_name(1, photo.filename or "photo.jpg")
    with tempfile.TemporaryDirectory(prefix="resight-") as place:
        with Path(place, name).open("wb") as file:
            shutil.copyfileobj(photo.file, file)
        found = service.workers.embed(Path(place), {"image_id": name, "path": name})
    if found.failures:
        raise Problem(422, f"{photo.filename or 'the photo'}: {found.failures[0].reason}")
    told = {**known, "content": found.fingerprints[name]}
    answer = service.desk.identify(found.embeddings.vectors[0], told, image_id=photo.filename or name, top=top)
    return {**answer.to_json(), "remarks": [one.text for one in found.remarks]}


def _kept(service: Service, photos: list[UploadFile], columns: dict[str, str], who: str) -> dict[str, Any]:
    for photo in photos:
        _check_size(service, photo)
    job_id, place = service.jobs.folder()
    names = []
    for number, photo in enumerate(photos, 1):
        names.append(safe_name(number, photo.filename or "photo.jpg"))
        with (place / names[-1]).open("wb") as file:
            shutil.copyfileobj(photo.file, file)
    return service.jobs.add(job_id, names, columns, who).to_json()


def _check_size(service: Service, photo: UploadFile) -> None:
    if (photo.size or 0) > service.settings.max_file_bytes:
        raise Problem(413, f"expected photos of at most {service.settings.max_file_bytes:,} bytes, found a larger one")


def _top(form: FormData) -> int:
    top = form.get("top", "5")
    if not (isinstance(top, str) and re.fullmatch(r"[0-9]{1,3}", top) and 1 <= int(top) <= _MOST_CANDIDATES):
        raise Problem(422, "expected top as a number from 1 to 200, found otherwise")
    return int(top)


def _columns(form: FormData) -> dict[str, str]:
    known = {name: form.get(name) for name in _KNOWN}
    found = {name: value.strip() for name, value in known.items() if isinstance(value, str) and value.strip()}
    if any("\x00" in value or len(value) > 300 for value in found.values()):
        raise Problem(422, "expected plain text of at most 300 characters in each field, found otherwise")
    return found
