"""What the routes share: the service and the user of a request, and what several of them ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from resight.pipeline.review import ReviewDesk
from resight.serve.jobs import Jobs
from resight.serve.measures import Measures
from resight.serve.problems import Problem
from resight.serve.security import Guard
from resight.serve.settings import Settings
from resight.serve.work import Workers

__all__ = ["Asked", "Beginning", "Called", "Count", "Filter", "ImageId", "Offset", "Served", "Service"]


@dataclass(eq=False)
class Service:
    """What the routes work with.

    Args:
        desk: of the catalogue.
        settings: limits.
        guard: sessions.
        workers: processes that read photos.
        jobs: photos that were sent in.
        measures: what is counted.
        closing: whether the service is about to end.
    """

    desk: ReviewDesk
    settings: Settings
    guard: Guard
    workers: Workers
    jobs: Jobs
    measures: Measures
    closing: bool = False


def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


def _who(request: Request) -> str:
    return str(request.state.user.name)


def _filter(
    filter: Annotated[  # noqa: A002  the reviewer's word for it
        list[str] | None,
        Query(description="column:value, may be repeated; of a date, its beginning.", examples=["side:left"]),
    ] = None,
) -> dict[str, str]:
    wanted = {}
    for one in filter or ():
        column, colon, value = one.partition(":")
        if not column or not colon or not value or "\x00" in one:
            raise Problem(422, f"expected a filter as column:value, found {one!r}")
        wanted[column] = value
    return wanted


Served = Annotated[Service, Depends(_service)]
Asked = Annotated[str, Depends(_who)]
Filter = Annotated[dict[str, str], Depends(_filter)]
Beginning = Annotated[str, Query(max_length=300, description="Beginning of the name.")]
Called = Annotated[str, Query(min_length=1, max_length=300, description="Of the individual.")]
Count = Annotated[int, Query(ge=1, le=200, description="How many to give at most.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="How many to pass over.")]
ImageId = Annotated[
    str,
    Query(
        min_length=1,
        max_length=1_000,
        pattern=r"^[^\x00]*$",  # PostgreSQL knows no NUL
        description="Image id.",
        examples=["gallery/00001.jpg"],
    ),
]
