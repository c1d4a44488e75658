"""The JSON API: the same questions as the terminal and the URL, the same readings as the pages.

Parameters are those of the command line: ``kpi``, ``by``, ``grain``, ``from``, ``to``, ``where``,
``as_of``, ``compare``. Rates are numbers in 0..1; money is a decimal written as text, so that no
digit is lost on the way. What has no value is null, with its reason. Errors are problem documents
(RFC 9457) in the language of ``lang`` or ``Accept-Language``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cadran.api import models
from cadran.api.alerts import act, alerts, runs
from cadran.api.anomalies import anomalies
from cadran.api.attribution import attribution
from cadran.api.blame import BlameOut
from cadran.api.caller import Caller, caller, language_of
from cadran.api.deals import deals
from cadran.api.decisions import decisions
from cadran.api.drivers import DriversOut, drivers_out
from cadran.api.economics import economics
from cadran.api.forecast import forecast, landings
from cadran.api.hypotheses import hypotheses
from cadran.api.late import late
from cadran.api.next_actions import next_
from cadran.api.propensity import propensity
from cadran.api.quality import fresh, quality
from cadran.api.rhythm import actions, cascade, contracts, pace, review
from cadran.engine.query import RowQuery, from_params
from cadran.errors import CadranError, QueryError
from cadran.i18n import say
from cadran.insights.blame_record import blame_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cadran.workspace import Workspace

#: Most rows of one answer.
MOST_ROWS = 10_000


class Question:
    """The parameters of a question, as a dependency that the documentation shows.

    Args:
        kpi: KPI ids.
        by: Dimensions that break the answer down.
        grain: Length of each period; the whole span as one period without it.
        start: First day.
        end: First day after the span.
        where: Predicates that all hold.
        as_of: Answer as it was known at the end of this day.
        compare: Period that each period is compared with.
        trailing: Window that ends with each period and over which flows are counted.
        constant_currency: Day whose rates all amounts are told at, or ``plan``.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per parameter of a question
        self,
        kpi: Annotated[list[str], Query(description="KPI id; may come several times")],
        by: Annotated[list[str] | None, Query(description="dimension; may come several times")] = None,
        grain: Annotated[str, Query(description="day, week, month, quarter or year")] = "",
        start: Annotated[str, Query(alias="from", description="first day, YYYY-MM-DD")] = "",
        end: Annotated[str, Query(alias="to", description="first day after the span")] = "",
        where: Annotated[list[str] | None, Query(description="predicate; may come several times")] = None,
        as_of: Annotated[str, Query(description="as known at the end of this day")] = "",
        compare: Annotated[str, Query(description="previous, year or none")] = "none",
        trailing: Annotated[str, Query(description="12m, 13w or 90d: the window that ends with each period")] = "",
        constant_currency: Annotated[
            str, Query(description="all amounts at the rates of this day, or of the plan")
        ] = "",
    ) -> None:
        self.rates = constant_currency
        single = {
            "grain": grain, "from": start, "to": end, "as_of": as_of, "compare": compare, "trailing": trailing,
        }  # fmt: skip
        several = [("kpi", name) for name in kpi]
        several += [("by", name) for name in by or []] + [("where", text) for text in where or []]
        self.query = from_params([*several, *single.items()])


def create_api(workspace: Workspace, *, clock: Callable[[], datetime] | None = None) -> FastAPI:
    """The API of a workspace, as an application to mount under ``/api``.

    Args:
        workspace: The opened project.
        clock: What tells the time, as a naive UTC instant, for what is due or overdue; without it, time
            stands where the data ends.
    """
    problem: dict[int | str, dict[str, Any]] = {
        status: {"model": models.Problem, "description": HTTPStatus(status).phrase} for status in (400, 404, 422, 503)
    }
    app = FastAPI(title="Cadran", docs_url=None, redoc_url=None, responses=problem)
    app.state.workspace = workspace
    app.state.clock = clock
    for path, function, summary in (
        ("/health", health, "Whether the figures can be read"),
        ("/kpis", kpis, "Every KPI"),
        ("/kpis/{name}", contract, "The contract of a KPI"),
        ("/kpi", ask, "The readings that answer a question"),
        ("/rows", rows, "The rows behind a number"),
        ("/drivers", drivers, "Why a KPI moved between two periods"),
        ("/why", why, "Which segment is to blame for a change of a rate"),
        ("/anomalies", anomalies, "What is out of its usual range in the last whole week"),
        ("/attribution", attribution, "Won revenue credited to touches"),
        ("/deals", deals, "How likely open deals are to be won"),
        ("/propensity", propensity, "How likely accounts or leads are to convert"),
        ("/late", late, "What was learnt late about a figure"),
        ("/forecast", forecast, "Where bookings land"),
        ("/landings", landings, "Where each KPI lands"),
        ("/next", next_, "What to do next"),
        ("/hypotheses", hypotheses, "Whether figures agree with what is believed to drive what"),
        ("/economics", economics, "What customers are worth and what they cost"),
        ("/quality", quality, "What is wrong with the data, and how each team fares"),
        ("/freshness", fresh, "How fresh each source is"),
        ("/decisions", decisions, "Decisions, and what they changed"),
        ("/review", review, "The items of a team's last review"),
        ("/actions", actions, "What is being done, by deadline"),
        ("/contracts", contracts, "Changes of contracts"),
        ("/cascade", cascade, "What a goal asks of each KPI, quarter and segment"),
        ("/pace", pace, "Whether a period is on the way to its target"),
        ("/alerts", alerts, "What needs attention"),
        ("/runs", runs, "What ran, when and how it ended"),
    ):
        app.add_api_route(path, function, methods=["GET"], summary=summary)
    app.add_api_route("/alerts/{number}/{verb}", act, methods=["POST"], summary="Do something with an alert")
    app.add_exception_handler(CadranError, _stopped)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _missed)
    return app


def health(who: Annotated[Caller, Depends(caller)]) -> models.Health:
    """Whether the figures can be read, and how fresh they are."""
    meta = who.view.meta
    return models.Health(status="ok", snapshot=meta.name, known_at=meta.known_at, issues=len(who.view.issues))


def kpis(who: Annotated[Caller, Depends(caller)]) -> list[models.KpiBrief]:
    """Every KPI, in the order of the catalogue."""
    return [models.brief(kpi, who.language) for kpi in who.view.catalogue.newest()]


def contract(name: str, who: Annotated[Caller, Depends(caller)]) -> models.Contract:
    """The contract of a KPI.

    Raises:
        HTTPException: No KPI has that name.
    """
    return models.contract(who.kpi(name), who.language)


def ask(question: Annotated[Question, Depends()], who: Annotated[Caller, Depends(caller)]) -> models.Answer:
    """The readings that answer a question."""
    return models.answer(who.view.at_rates(question.rates).ask(question.query), who.language)


def drivers(question: Annotated[Question, Depends()], who: Annotated[Caller, Depends(caller)]) -> DriversOut:
    """Why a KPI moved: by its factors, or by segment with ``by``; contributions add up to the change."""
    return drivers_out(who.view.at_rates(question.rates).drivers(question.query), who.language)


def why(question: Annotated[Question, Depends()], who: Annotated[Caller, Depends(caller)]) -> BlameOut:
    """Which segment is to blame for the rate of the last whole period, or that nothing tells."""
    return BlameOut.model_validate(blame_record(who.view.blame(question.query), who.language))


def rows(
    question: Annotated[Question, Depends()],
    who: Annotated[Caller, Depends(caller)],
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 1000,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> models.RowsOut:
    """The rows behind the number of one KPI.

    Raises:
        QueryError: The question has not exactly one KPI.
    """
    if len(question.query.kpis) != 1:
        raise QueryError("Rows are behind one KPI at a time.", hint="Give `kpi` once.", where="kpi")
    return models.rows(who.view.at_rates(question.rates).rows(RowQuery(question.query, limit, offset)))


def _stopped(request: Request, error: Exception) -> JSONResponse:
    """The problem document of an error that somebody can fix."""
    if not isinstance(error, CadranError):
        raise error
    language = language_of(request)
    return _problem(
        error.http_status,
        type(error).__name__,
        say(error.message, error.params, language),
        say(error.hint, error.params, language) if error.hint else "",
        error.where,
    )


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    """The problem document of a parameter that is missing or is not what it must be."""
    if not isinstance(error, RequestValidationError):
        raise error
    names = ", ".join(str(each["loc"][-1]) for each in error.errors())
    message = say("These parameters are missing or cannot be read: {names}.", {"names": names}, language_of(request))
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "QueryError", message, "", names)


def _missed(request: Request, error: Exception) -> JSONResponse:
    """The problem document of an address that leads nowhere."""
    if not isinstance(error, HTTPException):
        raise error
    language = language_of(request)
    near = error.detail if error.detail in request.app.state.workspace.catalogue.kpis else ""
    hint = say("Did you mean {near}?", {"near": near}, language) if near else ""
    message = say("There is nothing at this address.", {}, language)
    return _problem(error.status_code, "NotFound", message, hint, request.url.path)


def _problem(status: int, code: str, message: str, hint: str, where: str) -> JSONResponse:
    problem = models.Problem(
        title=HTTPStatus(status).phrase, status=int(status), code=code, message=message, hint=hint, where=where
    )
    return JSONResponse(problem.model_dump(), status_code=int(status), media_type="application/problem+json")
