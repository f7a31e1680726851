"""Routes that take photos: one to identify, many to index in the background."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from resight.core import Catalogue
from resight.curate.dates import read_date
from resight.errors import StoreError
from resight.serve.job_files import Job, safe_name
from resight.serve.parts import Asked, Count, Offset, Served, Service
from resight.serve.problems import Problem

__all__ = ["router"]

router = APIRouter(prefix="/v1")

_KNOWN = ("encounter", "species", "side", "date", "place")
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
    async with _read(service, request, 1) as form:
        photo = form.get("photo")
        if not isinstance(photo, UploadFile):
            raise Problem(422, "expected a photo as 'photo' of the form, found none")
        top, known = _top(form), _columns(form)
        return await run_in_threadpool(_identified, service, photo, known, top)


@router.post("/jobs", status_code=202, tags=["jobs"], openapi_extra=_form("photos", many=True))
async def send(service: Served, who: Asked, request: Request) -> dict[str, Any]:
    """Photos to index: kept at once, searchable when the job is done."""
    async with _read(service, request, service.settings.max_files) as form:
        photos = [one for one in form.getlist("photos") if isinstance(one, UploadFile)]
        if not photos:
            raise Problem(422, "expected photos as 'photos' of the form, found none")
        columns = _columns(form)
        return await run_in_threadpool(_kept, service, photos, columns, who)


@router.get("/jobs", tags=["jobs"])
def jobs(
    service: Served,
    offset: Offset = 0,
    n: Count = 50,
) -> dict[str, Any]:
    """The last jobs but for `offset`, the oldest first, with the number of photos in place of their names."""
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


class _Parts(MultiPartParser):
    """Reads a form that is whole, and no more of a part than it may have."""

    spool_max_size = 64 * 1024  # bytes of each photo that are kept in memory

    def __init__(self, request: Request, n_files: int, max_part_bytes: int) -> None:
        super().__init__(request.headers, request.stream(), max_files=n_files, max_fields=_N_FIELDS)
        self._max_part_bytes, self._n_bytes, self._is_whole = max_part_bytes, 0, False

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._n_bytes = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._n_bytes += end - start
        if self._n_bytes > self._max_part_bytes:
            raise Problem(413, f"expected photos of at most {self._max_part_bytes:,} bytes, found a larger one")
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        super().on_end()
        self._is_whole = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._is_whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("it breaks off")
        return form


@asynccontextmanager
async def _read(service: Service, request: Request, n_files: int) -> AsyncIterator[FormData]:
    """The form that is sent, whose photos lie in passing files; the door counts the bytes of the whole."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(422, "expected a form (multipart/form-data), found another content")
    try:
        form = await _Parts(request, n_files, service.settings.max_file_bytes).parse()
    except MultiPartException as error:
        raise Problem(400, f"expected a whole form, found otherwise: {error.message}") from error
    except ClientDisconnect as error:
        raise Problem(400, "expected a whole form, found that its sender went away") from error
    except OSError as error:
        raise StoreError(
            f"expected room for photos in {tempfile.gettempdir()}, found: {error.strerror or error}"
        ) from error
    try:
        yield form
    finally:
        await form.close()


def _identified(service: Service, photo: UploadFile, known: Mapping[str, str], top: int) -> dict[str, Any]:
    name = safe_name(1, photo.filename or "photo.jpg")
    with tempfile.TemporaryDirectory(prefix="resight-") as place:
        with Path(place, name).open("wb") as file:
            shutil.copyfileobj(photo.file, file)
        found = service.workers.embed(Path(place), {"image_id": name, "path": name})
        if found.failures:
            raise Problem(422, f"{photo.filename or 'the photo'}: {found.failures[0].reason}")
        told = {**known, "content": found.fingerprints[name]}
        one = Catalogue(pl.DataFrame([{"image_id": name, "path": name, **told}]), Path(place))
        called = (photo.filename or "").strip() or name
        answer = service.desk.identify(found.embeddings.vectors[0], told, image_id=called, photo=one, top=top)
    return {**answer.to_json(), "remarks": [one.text for one in found.remarks]}


def _kept(service: Service, photos: list[UploadFile], columns: dict[str, str], who: str) -> dict[str, Any]:
    named = [(photo.filename or "photo.jpg", photo.file) for photo in photos]
    return service.jobs.add(named, columns, who).to_json()


def _top(form: FormData) -> int:
    top = form.get("top", "5")
    if not (isinstance(top, str) and re.fullmatch(r"[0-9]{1,3}", top) and 1 <= int(top) <= _MOST_CANDIDATES):
        raise Problem(422, f"expected top as a number from 1 to {_MOST_CANDIDATES}, found otherwise")
    return int(top)


def _columns(form: FormData) -> dict[str, str]:
    known = {name: form.get(name) for name in _KNOWN}
    found = {name: value.strip() for name, value in known.items() if isinstance(value, str) and value.strip()}
    if any("\x00" in value or len(value) > 300 for value in found.values()):
        raise Problem(422, "expected plain text of at most 300 characters in each field, found otherwise")
    if not _is_date(found.get("date", "2024")):
        raise Problem(422, f"expected date as 2024-05-01, 2024-05, 2024 or 2024-05-01T09:30, found '{found['date']}'")
    return found


def _is_date(text: str) -> bool:
    """Whether a date is written as filters take it, by its beginning: ISO 8601, a time may follow."""
    day = read_date(text)
    if day is None or not text.startswith(day):
        return False
    try:
        return text == day or bool(datetime.fromisoformat(text))
    except ValueError:
        return False
