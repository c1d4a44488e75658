"""The cockpit over HTTP: routes, language and theme, headers and error pages.

Every page is complete without JavaScript: filters are plain GET forms, and what htmx swaps is a
part that the full page holds too. A request first gets a `View`, which is what its person may read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cadran.charts import Words, lineage
from cadran.errors import CadranError, did_you_mean
from cadran.i18n import pick_language
from cadran.period import local_day
from cadran.web import contracts, loop, pages
from cadran.web.acts import ACTS
from cadran.web.forms import form_of
from cadran.web.render import STATIC, environment
from cadran.web.slices import Slice, parse_slice
from cadran.web.trust import trust_page
from cadran.web.why import driver_stages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import date, datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cadran.insights.quality import Quality
    from cadran.view import View
    from cadran.web.acts import Act
    from cadran.web.trust import Key
    from cadran.workspace import Workspace

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
THEMES = ("light", "dark")
YEAR = 365 * 24 * 3600


def create_app(
    workspace: Workspace, *, api: ASGIApp | None = None, clock: Callable[[], datetime] | None = None
) -> FastAPI:
    """The cockpit of a workspace, as an application that a server can run.

    Args:
        workspace: The opened project.
        api: Application that answers under ``/api``, or None for pages only.
        clock: Tells now, a naive UTC instant; None for the moment up to which the data is known.
    """
    cockpit = _Cockpit(workspace, clock or (lambda: workspace.view().meta.known_at))
    routes: list[Route | Mount] = [
        Route("/", cockpit.home),
        Route("/kpi", cockpit.catalogue),
        Route("/kpi/{name}", cockpit.kpi),
        Route("/kpi/{name}/segments", cockpit.segments),
        Route("/kpi/{name}/rows", cockpit.rows),
        Route("/quality", cockpit.quality),
        Route("/review", cockpit.review),
        Route("/decisions", cockpit.decisions),
        Route("/alerts", cockpit.alerts),
        Route("/alerts/{number:int}", cockpit.alerts),
        Route("/changes", cockpit.changes),
        Route("/changes/{number:int}", cockpit.change),
        *(Route(path, cockpit.acting(act), methods=["POST"]) for path, act in ACTS.items()),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
    ]
    routes += [Mount("/api", api)] if api else []
    app = FastAPI(
        title="Cadran",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=list(routes),
        middleware=[Middleware(_Headers), Middleware(GZipMiddleware, minimum_size=800)],
    )
    app.add_exception_handler(CadranError, cockpit.stopped)
    app.add_exception_handler(HTTPException, cockpit.missed)
    app.add_exception_handler(Exception, cockpit.crashed)
    return app


@dataclass(frozen=True)
class _Cockpit:
    """The handlers of the routes."""

    workspace: Workspace
    clock: Callable[[], datetime]
    checks: dict[Key, Quality] = field(default_factory=dict)

    def home(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        return self._page(request, "home.html", view, asked, page=pages.home(view, asked))

    def kpi(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        page = contracts.kpi_page(view, _name(request, view), asked)
        stages = contracts.lineage_stages(view, page, self._words(request))
        words = self._words(request)
        return self._page(
            request,
            "kpi.html",
            view,
            asked,
            page=page,
            stages=stages,
            lineage=lineage,
            drivers=driver_stages(view, page.kpi.id, words),
            kpi_names={kpi.id: kpi.name(words.language) for kpi in view.catalogue.newest()},
        )

    def segments(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        part = contracts.segments_of(view, _name(request, view), asked)
        return self._page(request, "_segments.html", view, asked, segments=part)

    def rows(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        part = contracts.rows_of(view, _name(request, view), asked)
        return self._page(request, "_rows.html", view, asked, rows=part)

    def catalogue(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        return self._page(request, "catalogue.html", view, asked, teams=pages.by_team(view.catalogue))

    def quality(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        issues = pages.worst_first([*self.workspace.catalogue_issues, *view.issues])
        page = trust_page(view, self._words(request), self.clock(), self.checks)
        return self._page(request, "quality.html", view, asked, issues=issues, page=page)

    def review(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        page = loop.review_page(view, asked.team, self._words(request), self._today())
        return self._page(request, "review.html", view, asked, page=page, today=self._today())

    def decisions(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        page = loop.decisions_page(view, self._words(request), self._today())
        return self._page(request, "decisions.html", view, asked, page=page)

    def alerts(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        number = request.path_params.get("number")
        every = number is not None or request.query_params.get("all") == "1"
        found = [
            row for row in loop.alerts_page(view, self._words(request), every=every) if number in (None, row["id"])
        ]
        if number is not None and not found:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        back = self._today() + timedelta(days=loop.ASIDE)
        return self._page(request, "alerts.html", view, asked, alerts=found, every=every, number=number, back=back)

    def changes(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        return self._page(request, "changes.html", view, asked, changes=loop.changes_page(view, self._words(request)))

    def change(self, request: Request) -> HTMLResponse:
        view, asked = self._view(request), parse_slice(request.query_params.multi_items())
        page = loop.change_page(view, request.path_params["number"], self._words(request), pages.today_of(view, asked))
        return self._page(request, "change.html", view, asked, page=page)

    def acting(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """What answers a form: it does what the form says, then leads to the page that shows it."""

        async def answer(request: Request) -> Response:
            form = await form_of(request)
            number = int(request.path_params.get("number", 0))
            target = await run_in_threadpool(act, self.workspace, number, form, self.clock())
            return RedirectResponse(target, HTTPStatus.SEE_OTHER)

        return answer

    def stopped(self, request: Request, error: Exception) -> HTMLResponse:
        """The page of an error that somebody can fix."""
        if not isinstance(error, CadranError):
            return self.crashed(request, error)
        words = self._words(request)
        message, hint = words.say(error.message, **error.params), words.say(error.hint, **error.params)
        return self._failed(request, error.http_status, message, hint, error.where)

    def missed(self, request: Request, error: Exception) -> HTMLResponse:
        """The page for an address that leads nowhere."""
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        near = (
            error.detail if isinstance(error, HTTPException) and error.detail in self.workspace.catalogue.kpis else ""
        )
        words = self._words(request)
        hint = words.say("Did you mean {near}?", near=near) if near else ""
        return self._failed(request, status, words.say("There is no page at this address."), hint, request.url.path)

    def crashed(self, request: Request, _error: Exception) -> HTMLResponse:
        """The page of an error that is ours; the server's log has its trace."""
        words = self._words(request)
        hint = words.say("This is a mistake of the program: its trace is in the log of the server.")
        return self._failed(request, HTTPStatus.INTERNAL_SERVER_ERROR, words.say("Something broke."), hint, "")

    def _today(self) -> date:
        """The day that it is in the company."""
        return local_day(self.clock().replace(tzinfo=UTC), self.workspace.project.zone)

    def _view(self, _request: Request) -> View:
        """What the person behind a request may read."""
        return self.workspace.view()

    def _words(self, request: Request) -> Words:
        project = self.workspace.project
        return Words(self._language(request), project.currency, project.calendar, project.zone)

    def _language(self, request: Request) -> str:
        """The language of the URL, else of the cookie, else the one the browser prefers."""
        offered = self.workspace.project.languages
        for wanted in (request.query_params.get("lang"), request.cookies.get("lang")):
            if wanted in offered:
                return wanted
        header = request.headers.get("accept-language", "")
        return pick_language([part.split(";")[0].strip() for part in header.split(",") if part.strip()], offered)

    def _page(self, request: Request, template: str, view: View | None, asked: Slice, **values: Any) -> HTMLResponse:
        words = self._words(request)
        wanted = request.query_params.get("theme") or request.cookies.get("theme")
        text = (
            environment()
            .get_template(template)
            .render(
                words=words,
                t=words.say,
                lang=words.language,
                theme=wanted if wanted in THEMES else "auto",
                asked=asked,
                path=request.url.path,
                project=self.workspace.project,
                view=view,
                **values,
            )
        )
        response = HTMLResponse(text)
        for name, allowed in (("lang", self.workspace.project.languages), ("theme", THEMES)):
            if request.query_params.get(name) in allowed:
                response.set_cookie(name, request.query_params[name], max_age=YEAR, httponly=True, samesite="lax")
        return response

    def _failed(self, request: Request, status: int, message: str, hint: str, where: str) -> HTMLResponse:
        response = self._page(
            request, "error.html", None, Slice(), status=int(status), message=message, hint=hint, where=where
        )
        response.status_code = int(status)
        return response


def _name(request: Request, view: View) -> str:
    """The KPI that an address names.

    Raises:
        HTTPException: No KPI has that name; its detail is the nearest name.
    """
    name = str(request.path_params["name"])
    if name not in view.catalogue.kpis:
        raise HTTPException(HTTPStatus.NOT_FOUND, detail=did_you_mean(name, view.catalogue.kpis) or "Not Found")
    return name


class _Headers:
    """Adds what keeps a page from loading, sending or being framed anywhere else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(scope)]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    # a shipped file asked for with its hash never changes; pages and the rest are checked again
    hashed = scope["path"].startswith("/static/") and b"v=" in scope["query_string"]
    found = {
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "public, max-age=31536000, immutable" if hashed else "no-cache",
    }
    return [(name.encode(), text.encode()) for name, text in found.items()]
