"""Readings as documents: a page for people, paper, a workbook with real numbers, images of charts."""

from cadran.reports.content import Line, Report, Section
from cadran.reports.html import as_html
from cadran.reports.pdf import as_pdf
from cadran.reports.png import as_png
from cadran.reports.xlsx import as_xlsx

__all__ = ["Line", "Report", "Section", "as_html", "as_pdf", "as_png", "as_xlsx"]
