"""Routes that change what the catalogue says; each is one journal row under the name of who asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from resight.serve.parts import Asked, Served
from resight.serve.schemas import Assign, JudgementIn, Merge, Rename, Skip, Split, Undo

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["changes"])


@router.post("/judgements", status_code=201)
def judge(service: Served, who: Asked, said: JudgementIn) -> dict[str, Any]:
    """Say who is on a photo; 409 with `theirs` and `yours` when somebody else did meanwhile."""
    return service.desk.judge(said.judgement(), who=who).to_json()


@router.post("/skip")
def skip(service: Served, who: Asked, asked: Skip) -> dict[str, Any]:
    """Let a photo come last in one's own queue; nothing is written into the journal."""
    (service.desk.unskip if asked.back else service.desk.skip)(asked.image_id, who=who)
    return {"image_id": asked.image_id, "skipped": not asked.back}


@router.post("/undo", status_code=201)
def undo(service: Served, who: Asked, asked: Undo) -> dict[str, Any]:
    """Take a change back; to undo an undo brings it back."""
    return service.desk.store.undo(asked.entry, who=who, seen=asked.seen).to_json()


@router.post("/merge", status_code=201)
def merge(service: Served, who: Asked, asked: Merge) -> dict[str, Any]:
    """Make several individuals one."""
    return service.desk.store.merge(asked.identities, asked.into, who=who, seen=asked.seen).to_json()


@router.post("/split", status_code=201)
def split(service: Served, who: Asked, asked: Split) -> dict[str, Any]:
    """Make some photos of an individual another individual."""
    return service.desk.store.split(asked.image_ids, asked.new_identity, who=who, seen=asked.seen).to_json()


@router.post("/rename", status_code=201)
def rename(service: Served, who: Asked, asked: Rename) -> dict[str, Any]:
    """Call an individual otherwise."""
    return service.desk.store.rename(asked.identity, asked.new_name, who=who, seen=asked.seen).to_json()


@router.post("/assign", status_code=201)
def assign(service: Served, who: Asked, asked: Assign) -> dict[str, Any]:
    """Say whom some photos show."""
    return service.desk.store.assign(asked.image_ids, asked.identity, who=who, seen=asked.seen).to_json()
