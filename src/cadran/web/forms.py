"""What a person sends from a page: a short form of plain fields, from a page of ours and from nowhere else."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

#: Most bytes of a form.
MOST_BYTES = 20_000


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, spaces around their texts left out.

    Raises:
        HTTPException: It was sent from a page of another site, is too long, or cannot be read.
    """
    _same_origin(request)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=50)
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error
    return {name: text.strip() for name, text in pairs}


def _same_origin(request: Request) -> None:
    """Refuse what a page of another site makes a browser send in the name of its reader."""
    site, origin = request.headers.get("sec-fetch-site", ""), request.headers.get("origin", "")
    is_ours = site in ("", "same-origin", "none")
    is_ours = is_ours and (not origin or urlsplit(origin).netloc == request.headers.get("host", ""))
    if not is_ours:
        raise HTTPException(HTTPStatus.FORBIDDEN)
