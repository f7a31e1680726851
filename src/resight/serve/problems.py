"""Errors in the words of RFC 9457: problem JSON, whose detail is the sentence that the library says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from resight.errors import (
    ConflictError,
    ImageError,
    InputError,
    MismatchError,
    MissingExtraError,
    NotFittedError,
    ResightError,
    StoreError,
    UnknownNameError,
)

__all__ = ["ANSWERS", "Problem", "answer_problems", "problem_response"]

_STATUS: tuple[tuple[type[ResightError], int], ...] = (
    (ConflictError, 409),
    (ImageError, 422),
    (UnknownNameError, 404),
    (NotFittedError, 409),
    (MismatchError, 409),
    (InputError, 422),
    (MissingExtraError, 501),
    (StoreError, 503),
)
_DESCRIBED = "/v1/openapi.json"
_LONGEST_PATH = 200
_TITLES = {
    400: "The request cannot be read",
    401: "Nobody is signed in",
    403: "This is refused",
    404: "There is no such thing",
    405: "This cannot be done here",
    408: "It took too long",
    409: "It is not as it was seen",
    413: "It is too large",
    415: "It is in a form that is not read",
    422: "What was sent is wrong",
    429: "Too many requests",
    500: "The service failed",
    501: "Something is not installed",
    503: "The service is busy",
}


class Problem(HTTPException):
    """An answer other than what was asked for.

    Args:
        status: of HTTP.
        detail: a sentence: what was expected, what was found, what to do.
        headers: further ones.
        **more: further fields of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.more = more


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """The answer."""
    title = _TITLES.get(status, "The request failed")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, dict(headers or {}), "application/problem+json")


def _answer(status: int) -> dict[str, Any]:
    fields = {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}}
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {**fields, "detail": {"type": "string"}},
    }
    return {"description": _TITLES[status], "content": {"application/problem+json": {"schema": schema}}}


ANSWERS: dict[int | str, dict[str, Any]] = {
    status: _answer(status) for status in (400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503)
}
"""What every route may answer, for its description."""


def answer_problems(app: FastAPI) -> None:
    """Let every error of an app that was foreseen leave it as a problem; the door answers for the others."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> Response:
        return problem_response(error.status_code, error.detail, error.headers, **error.more)

    @app.exception_handler(ResightError)
    async def _of_the_library(_: Request, error: ResightError) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        more = {"theirs": error.theirs, "yours": error.yours} if isinstance(error, ConflictError) else {}
        headers = {"Retry-After": "1"} if status == 503 else {}
        return problem_response(status, str(error), headers, **more)

    @app.exception_handler(RequestValidationError)
    async def _wrong(_: Request, error: RequestValidationError) -> Response:
        wrong = [{"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()]
        first = wrong[0] if wrong else {"where": "the request", "what": "is wrong"}
        detail = f"expected what {_DESCRIBED} describes, found another value of {first['where']}: {first['what']}"
        return problem_response(422, detail, errors=wrong)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return problem_response(error.status_code, _sentence(request, error), error.headers)


def _sentence(request: Request, error: HTTPException) -> str:
    """What the framework refuses in a word or two, said as the library says it."""
    path = request.url.path[:_LONGEST_PATH]
    if error.status_code == 404:
        return f"expected the address of a page or route, found '{path}': {_DESCRIBED} lists the routes"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"expected {allowed} at '{path}', found {request.method}: {_DESCRIBED} lists the routes"
    return f"expected a request that can be read, found otherwise ({error.detail}): {_DESCRIBED} describes each"
