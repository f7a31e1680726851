"""The pages: what a person sees of the service."""

from __future__ import annotations

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

__all__ = ["page", "router"]

router = APIRouter(include_in_schema=False)

_PAGES = (("/", "Review"),)
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
