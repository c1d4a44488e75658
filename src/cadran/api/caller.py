"""Who asks the API, and in which language they read."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request
from starlette.exceptions import HTTPException

from cadran.errors import did_you_mean
from cadran.i18n import pick_language
from cadran.view import View  # noqa: TC001 - FastAPI reads the annotations
from cadran.workspace import Workspace  # noqa: TC001 - FastAPI reads the annotations

if TYPE_CHECKING:
    from cadran.catalogue.definition import Kpi


@dataclass(frozen=True)
class Caller:
    """Who asks: what they may read and the language they read.

    Attributes:
        view: What they may read.
        language: ``fr`` or ``en``.
    """

    view: View
    language: str

    def kpi(self, name: str) -> Kpi:
        """The newest version of a KPI that a request names.

        Raises:
            HTTPException: No KPI has that name; the nearest one is its detail.
        """
        if name not in self.view.catalogue.kpis:
            raise HTTPException(HTTPStatus.NOT_FOUND, detail=did_you_mean(name, self.view.catalogue.kpis))
        return self.view.kpi(name)


def caller(request: Request, lang: Annotated[str, Query(description="fr or en")] = "") -> Caller:
    """Who asks; `lang` is in the documentation, and errors read it too.

    Raises:
        StoreError: There is no snapshot yet.
    """
    workspace: Workspace = request.app.state.workspace
    return Caller(workspace.view(), lang if lang in workspace.project.languages else language_of(request))


def language_of(request: Request) -> str:
    """The language of ``lang`` or ``Accept-Language`` that the project offers."""
    offered = request.app.state.workspace.project.languages
    wanted = request.query_params.get("lang", "")
    header = request.headers.get("accept-language", "")
    tags = [part.split(";")[0].strip() for part in header.split(",") if part.strip()]
    return pick_language([wanted, *tags] if wanted else tags, offered)
