"""The definitions that come with Cadran, read once for all tests of a process."""

from __future__ import annotations

from cadran.catalogue.load import load_catalogue

CATALOGUE, PROBLEMS = load_catalogue()
#: The newest version of every KPI, by id.
NEWEST = {kpi.id: kpi for kpi in CATALOGUE.newest()}
