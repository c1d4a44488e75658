"""A report on paper, made from the same HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cadran.charts.fixed import FONTS
from cadran.errors import NotSupported
from cadran.reports.html import as_html

if TYPE_CHECKING:
    from cadran.charts import Words
    from cadran.reports.content import Report


def as_pdf(report: Report, words: Words) -> bytes:
    """The report as a PDF, in the fonts of the pages; nothing is fetched from anywhere.

    Raises:
        NotSupported: The package that lays out pages is not installed, or lacks Pango.
    """
    try:
        from weasyprint import HTML  # noqa: PLC0415 - over a second that only paper needs
        from weasyprint.urls import URLFetcher  # noqa: PLC0415
    except (ModuleNotFoundError, OSError) as error:
        raise NotSupported(
            "PDF needs a package that is not installed: {package}.",
            hint="Install it: pip install 'cadran[reports]', with Pango from the system; or print the HTML.",
            where="pdf",
            package="weasyprint",
        ) from error
    faces = "".join(
        f'@font-face {{ font-family: Inter; font-weight: {weight}; src: url("{font.as_uri()}"); }}\n'
        for weight, font in zip((400, 600), FONTS, strict=True)
    )
    text = as_html(report, words, font=faces)
    made: Any = HTML(string=text, url_fetcher=URLFetcher(allowed_protocols={"file"})).write_pdf()
    return bytes(made)
