"""What the ids in HubSpot's records stand for, and which properties an account has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cadran.errors import SourceError
from cadran.sources.live.hubspot_api import ABSENT, Api
from cadran.sources.live.hubspot_objects import MERGED, Object
from cadran.sources.written import cell, dumps

if TYPE_CHECKING:
    from cadran.sources.live.stream import Record


@dataclass
class Names:
    """Labels of one account, asked for once.

    Attributes:
        api: Its API.
    """

    api: Api
    _pipelines: list[Record] | None = None
    _properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _sequences: dict[str, str] | None = None
    _may_list: bool = True

    def properties(self, each: Object) -> tuple[str, ...]:
        """The properties that are read of a kind: those of ours that the account has, and the company's own."""
        if each.kind not in self._properties:
            told = self.api.optional(self.api.paths.other("properties", each.kind))
            known = {str(item["name"]): item for item in (told or {}).get("results", [])}
            own = [
                name for name, item in known.items() if item.get("hubspotDefined") is False and not item.get("archived")
            ]
            ours = (
                [name for name in (*each.properties, MERGED) if name in known] if known else [*each.properties, MERGED]
            )
            self._properties[each.kind] = tuple(dict.fromkeys([*ours, *sorted(own)]))
        return self._properties[each.kind]

    def pipelines(self) -> list[Record]:
        """The pipelines of deals and leads, each with its stages."""
        if self._pipelines is None:
            deals = self.api.http.get(self.api.paths.other("pipelines", "deals"))["results"]
            leads = (self.api.optional(self.api.paths.other("pipelines", "leads")) or {"results": []})["results"]
            self._pipelines = [{"object": "deals", **p} for p in deals] + [{"object": "leads", **p} for p in leads]
        return self._pipelines

    def pipeline(self, wanted: str) -> str:
        """The label of a pipeline; its id when there is none of that id."""
        return next((str(each["label"]) for each in self.pipelines() if str(each["id"]) == wanted), wanted)

    def digest(self) -> str:
        """Changes when a pipeline gets another name: every record that carries it is read again."""
        names = [[str(each["id"]), each["label"]] for each in self.pipelines()]
        return hashlib.sha256(dumps(sorted(names)).encode()).hexdigest()[:16]

    def sequence(self, wanted: str) -> str:
        """The name of a sequence, which HubSpot lists by user; its id when it may not be listed."""
        if self._sequences is None:
            self._sequences = {
                str(each["id"]): str(each["name"]) for user in self._users() for each in self._sequences_of(user)
            }
        return self._sequences.get(wanted, wanted)

    def _users(self) -> list[str]:
        pages = self.api.followed(self.api.paths.other("owners"), {"limit": 100})
        return [str(cell(owner["userId"])) for found, _ in pages for owner in found if owner.get("userId")]

    def _sequences_of(self, user: str) -> list[Record]:
        """The sequences of one user; none when the token may not read them."""
        if not self._may_list:
            return []
        try:
            pages = self.api.followed(self.api.paths.sequences, {"userId": user, "limit": 100})
            return [each for found, _ in pages for each in found]
        except SourceError as error:
            if error.params.get("status") not in ABSENT:
                raise
            self._may_list = False
            return []
