"""The pages: what a person sees of the service."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from resight.errors import UnknownNameError
from resight.pipeline.review_nouns import Dashboard
from resight.serve.parts import Beginning, Called, Filter, Offset, Served

__all__ = ["page", "router"]

router = APIRouter(include_in_schema=False)

_PAGES = (
    ("/", "Review"),
    ("/individuals", "Individuals"),
    ("/contradictions", "Contradictions"),
    ("/dashboard", "Dashboard"),
    ("/photos", "Add photos"),
)
_N_OF_A_PAGE = 48
_WIDTH, _HEIGHT = 640.0, 220.0
_TEMPLATES = Environment(
    loader=PackageLoader("resight.serve"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(name: str, **told: object) -> HTMLResponse:
    """A page.

    Args:
        name: of its template.
        **told: what the template shows.
    """
    return HTMLResponse(_TEMPLATES.get_template(f"{name}.html.j2").render(**told))


def _of_the_desk(name: str, request: Request, **told: object) -> HTMLResponse:
    return page(name, pages=_PAGES, here=request.url.path, who=request.state.user.name, **told)


@router.get("/")
def review(request: Request) -> Response:
    """What waits, beside those that it may be."""
    return _of_the_desk("review", request)


@router.get("/individuals")
def individuals(
    service: Served,
    request: Request,
    wanted: Filter,
    starts: Beginning = "",
    offset: Offset = 0,
) -> Response:
    """All individuals, by name, some at a time."""
    number = service.desk.store.last_entry()  # before the names: what comes between is a conflict
    found, n_all = service.desk.individuals(wanted, starts=starts, offset=offset, n=_N_OF_A_PAGE)
    told = {"individuals": found, "n_all": n_all, "offset": offset, "n_of_a_page": _N_OF_A_PAGE, "starts": starts}
    return _of_the_desk("individuals", request, wanted=wanted, number=number, **told)


@router.get("/individual")
def individual(service: Served, request: Request, name: Called) -> Response:
    """One individual with all its photos; where nobody bears the name by now, those whose name begins so."""
    try:
        one = service.desk.individual(name)
    except UnknownNameError:
        return RedirectResponse(f"/individuals?{urlencode({'starts': name})}", 303)
    return _of_the_desk("individual", request, one=one)


@router.get("/contradictions")
def contradictions(service: Served, request: Request) -> Response:
    """What was said against the names of now."""
    return _of_the_desk("contradictions", request, found=service.desk.store.contradictions())


@router.get("/dashboard")
def dashboard(service: Served, request: Request) -> Response:
    """How far the catalogue is."""
    found = service.desk.dashboard()
    months, curve = list(found.new_per_month.items()), list(found.discovery)
    told = {"bars": _bars([n for _, n in months]), "months": months, "curve": curve, "points": _points(curve, found)}
    return _of_the_desk("dashboard", request, found=found, width=_WIDTH, height=_HEIGHT, **told)


@router.get("/photos")
def photos(request: Request) -> Response:
    """Where photos are dropped to be indexed."""
    return _of_the_desk("photos", request)


def _bars(counts: Sequence[int]) -> list[dict[str, float]]:
    """A bar for each count, as the attributes of an SVG rectangle."""
    step, top = _WIDTH / max(len(counts), 1), max(counts, default=1)
    wide = min(0.8 * step, 48.0)
    heights = [_HEIGHT * count / top for count in counts]
    return [
        {"x": (place + 0.5) * step - wide / 2, "y": _HEIGHT - height, "width": wide, "height": height}
        for place, height in enumerate(heights)
    ]


def _points(curve: Sequence[tuple[str, int]], found: Dashboard) -> dict[str, Any]:
    """The discovery curve as the points of an SVG line, and where the expected number lies."""
    last = curve[-1][1] if curve else 0
    value = found.n_expected.value
    there = math.isfinite(value)
    top = max(last, value if there else 0.0, 1.0)
    step = _WIDTH / max(len(curve) - 1, 1)
    line = " ".join(f"{place * step:.1f},{_HEIGHT * (1 - n / top):.1f}" for place, (_, n) in enumerate(curve))
    return {"line": line, "expected": _HEIGHT * (1 - value / top) if there else None, "top": top}
