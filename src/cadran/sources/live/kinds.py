"""The kinds of systems that can be read live; each module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cadran.sources.live.connection import Kind

#: Module of each kind; it holds `KIND`.
_MODULES: dict[str, str] = {
    "ga4": "cadran.sources.live.ga4",
    "hubspot": "cadran.sources.live.hubspot",
    "pipedrive": "cadran.sources.live.pipedrive",
    "outreach": "cadran.sources.live.outreach",
    "salesforce": "cadran.sources.live.salesforce",
    "search_console": "cadran.sources.live.search_console",
    "stripe": "cadran.sources.live.stripe",
}


class Kinds(Mapping[str, "Kind"]):
    """Every kind by its word."""

    def __getitem__(self, word: str) -> Kind:
        kind: Kind = import_module(_MODULES[word]).KIND
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KINDS = Kinds()
