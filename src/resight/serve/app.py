"""The application: routes, the door around them, and what begins and ends with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from resight import __version__
from resight.pipeline.bundles import bundle_place, external_model_of, model_of
from resight.pipeline.review import ReviewDesk
from resight.pipeline.review_weigher import Holder
from resight.serve import pages, reads, uploads, writes
from resight.serve.door import Door
from resight.serve.jobs import Jobs
from resight.serve.measures import Measures
from resight.serve.pages import page
from resight.serve.parts import Served, Service
from resight.serve.problems import ANSWERS, Problem, answer_problems
from resight.serve.security import Guard, cookie_name
from resight.serve.settings import Settings
from resight.serve.work import Workers
from resight.store import CatalogueStore

__all__ = ["create_app", "create_service"]

_SUMMARY = "Who is on the photos of a catalogue: what waits for a decision, what was decided, and who did."


def create_service(
    catalogue: str | Path,
    settings: Settings,
    *,
    one_time: str | None = None,
    model: str | None = None,
    url: str | None = None,
    rerank: bool = False,
) -> Service:
    """What the routes of a catalogue work with; its processes run until the application ends.

    Args:
        catalogue: the folder.
        settings: limits and names.
        one_time: token of the link that lets in whoever started the service.
        model: bundle, by name or path; default: the catalogue's own.
        url: of the database server that keeps the catalogue's tables, if one does.
        rerank: weigh what `calibrate_catalogue` fitted with a recipe, too; by one process more.

    Raises:
        StoreError: when there is no catalogue, or it has no vectors.
        NotFittedError: when nothing was fitted to re-rank with.
    """
    store = CatalogueStore.open(catalogue, url=url)
    name = model_of(store, model)
    place = None if external_model_of(store, model) else bundle_place(store, model)
    limits = (settings.max_file_bytes, settings.max_pixels)
    n_workers = settings.n_workers + (1 if rerank else 0)
    workers = Workers(n_workers, settings.n_waiting, settings.work_timeout_s, place, *limits)
    try:
        desk = ReviewDesk(store, name, workers.weigh(Holder(Path(catalogue), url, name)) if rerank else None)
    except BaseException:
        workers.close()
        raise
    return Service(desk, settings, Guard(settings, one_time), workers, Jobs(desk, workers), Measures())


def create_app(service: Service) -> FastAPI:
    """The application of a service."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.jobs.start()
        try:
            yield
        finally:
            service.closing = True
            await run_in_threadpool(service.jobs.stop)
            await run_in_threadpool(service.workers.close)

    app = FastAPI(
        title="resight",
        version=__version__,
        summary=_SUMMARY,
        lifespan=life,
        docs_url=None,  # its pages come from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        responses=ANSWERS,
    )
    app.state.service = service
    answer_problems(app)
    for router in (pages.router, reads.router, writes.router, uploads.router):
        app.include_router(router)
    _add_entrance(app)
    _add_watch(app)
    app.mount("/static", StaticFiles(packages=[("resight.serve", "static")]), name="static")
    app.add_middleware(Door, guard=service.guard, settings=service.settings, measures=service.measures)
    return app


def _add_entrance(app: FastAPI) -> None:
    """How to get in."""

    @app.get("/enter", include_in_schema=False)
    def enter(service: Served, request: Request, token: str = "") -> Response:
        return _let_in(service, request, lambda: service.guard.enter_by_link(token))

    @app.get("/login", include_in_schema=False)
    def ask(service: Served) -> Response:
        return page("login", has_users=bool(service.settings.users), wrong="")

    @app.post("/login", include_in_schema=False)
    def login(
        service: Served, request: Request, name: str = Form(max_length=300), password: str = Form(max_length=1_000)
    ) -> Response:
        return _let_in(service, request, lambda: service.guard.enter_by_password(name, password))

    @app.post("/logout", include_in_schema=False)
    def logout(service: Served, request: Request) -> Response:
        service.guard.leave(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(cookie_name(request))
        return answer


def _let_in(service: Service, request: Request, begin: Callable[[], str]) -> Response:
    """The first page; or for a person the page that says how to come in, and why this was not the way."""
    try:
        return _with_cookie(request, begin())
    except Problem as problem:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        shown = page("login", has_users=bool(service.settings.users), wrong=problem.detail)
        shown.status_code = problem.status_code
        return shown


def _add_watch(app: FastAPI) -> None:
    """How the service is, for those who watch it."""

    @app.get("/v1/health", tags=["service"])
    async def health() -> dict[str, str]:
        """Whether the service answers, also while all its threads wait."""
        return {"status": "ok", "version": __version__}

    @app.get("/v1/metrics", tags=["service"], response_class=Response)
    def metrics(service: Served) -> Response:
        """Counts, for Prometheus."""
        service.measures.restarts.set(service.workers.n_restarts)
        return Response(service.measures.text(), media_type="text/plain; version=0.0.4")

    @app.post("/v1/refresh", tags=["service"])
    def refresh(service: Served) -> dict[str, int]:
        """Read again what was indexed by others meanwhile."""
        return {"n_new_vectors": service.desk.refresh()}


def _with_cookie(request: Request, session: str) -> Response:
    answer = RedirectResponse("/", 303)
    is_secret = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), session, secure=is_secret, httponly=True, samesite="strict")
    return answer
