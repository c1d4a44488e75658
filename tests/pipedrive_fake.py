"""A Pipedrive that holds what a test puts into it, with its token budget; its answers are held to the vendor's own specification."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from cadran.sources.live.pipedrive import cost

TOKEN = "pipedrive-fake-token-0001"
EPOCH = "2026-01-01T00:00:00Z"


def deal(number, *, changed=EPOCH, status="open", **more):
    row = {
        "id": number,
        "title": f"Deal {number}",
        "creator_user_id": 1,
        "owner_id": 1,
        "value": 100 * number,
        "stage_id": 1,
        "pipeline_id": 1,
        "currency": "EUR",
        "add_time": EPOCH,
        "update_time": changed,
        "status": status,
        "is_archived": False,
        "is_deleted": status == "deleted",
        "visible_to": 7,
        "label_ids": [],
        "origin": "ManuallyCreated",
        "custom_fields": {},
    }
    return {**row, **more}


def person(number, *, changed=EPOCH, **more):
    return {
        "id": number,
        "name": f"Person {number}",
        "first_name": "Person",
        "last_name": str(number),
        "owner_id": 1,
        "org_id": 1,
        "add_time": EPOCH,
        "update_time": changed,
        "emails": [
            {"value": f"old{number}@acme.example", "primary": False, "label": "home"},
            {"value": f"p{number}@acme.example", "primary": True, "label": "work"},
        ],
        "phones": [],
        "is_deleted": False,
        "visible_to": 7,
        "label_ids": [],
        "custom_fields": {},
        **more,
    }


def organization(number, *, changed=EPOCH, **more):
    return {
        "id": number,
        "name": f"Org {number}",
        "owner_id": 1,
        "add_time": EPOCH,
        "update_time": changed,
        "address": {"value": "1 rue A", "country": "France"},
        "is_deleted": False,
        "visible_to": 7,
        "label_ids": [],
        "website": "https://acme.example",
        "custom_fields": {},
        **more,
    }


def activity(number, *, changed=EPOCH, done=True, **more):
    return {
        "id": number,
        "subject": "Call",
        "type": "call",
        "owner_id": 1,
        "creator_user_id": 1,
        "is_deleted": False,
        "add_time": EPOCH,
        "update_time": changed,
        "deal_id": 1,
        "lead_id": None,
        "person_id": 1,
        "org_id": 1,
        "due_date": "2026-02-01",
        "due_time": "10:00:00",
        "duration": "00:30:00",
        "busy": True,
        "done": done,
        **({"marked_as_done_time": "2026-02-01T10:30:00Z"} if done else {}),
        **more,
    }


def lead(name, *, changed="2026-01-01T00:00:00.000Z", archived=False, **more):
    return {
        "id": name,
        "title": f"Lead {name}",
        "owner_id": 1,
        "creator_id": 1,
        "label_ids": [],
        "value": {"amount": 999, "currency": "EUR"},
        "person_id": 1,
        "organization_id": None,
        "source_name": "API",
        "origin": "API",
        "origin_id": None,
        "channel": None,
        "channel_id": None,
        "is_archived": archived,
        "was_seen": False,
        "expected_close_date": None,
        "next_activity_id": None,
        "add_time": "2026-01-01T00:00:00.000Z",
        "update_time": changed,
        "visible_to": "3",
        "cc_email": "x@pipedrivemail.com",
        **more,
    }


def change(field_key, old, new, at, actor=1):
    return {
        "field_key": field_key,
        "old_value": old,
        "new_value": new,
        "actor_user_id": actor,
        "time": at,
        "change_source": "app",
        "change_source_user_agent": None,
        "is_bulk_update_flag": False,
    }


@dataclass
class Pipedrive:
    """The records by list, and changes by deal."""

    lists: dict = field(default_factory=dict)
    leads: list = field(default_factory=list)
    changes: dict = field(default_factory=dict)
    budget: float = float("inf")
    size: int = 500
    today: str = "2026-07-03T08:00:00Z"
    tokens: set = field(default_factory=lambda: {TOKEN})
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.lists.setdefault(
            "pipelines",
            [
                {
                    "id": 1,
                    "name": "Ventes",
                    "order_nr": 1,
                    "is_deleted": False,
                    "is_deal_probability_enabled": True,
                    "add_time": EPOCH,
                    "update_time": EPOCH,
                }
            ],
        )
        names = ("Contact", "Offre")
        self.lists.setdefault(
            "stages",
            [
                {
                    "id": n,
                    "order_nr": n,
                    "name": name,
                    "is_deleted": False,
                    "deal_probability": 40 * n,
                    "pipeline_id": 1,
                    "is_deal_rot_enabled": False,
                    "add_time": EPOCH,
                    "update_time": EPOCH,
                }
                for n, name in enumerate(names, 1)
            ],
        )

    def put(self, name, *records):
        kept = {record["id"]: record for record in self.lists.get(name, [])}
        kept |= {record["id"]: record for record in records}
        self.lists[name] = sorted(kept.values(), key=lambda record: record["id"])

    def answer(self, method, url, headers, body):
        """Status, headers and text of the answer to one request."""
        parts = urlsplit(url)
        params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        told = {name.lower(): value for name, value in headers.items()}
        self.asked.append(parts.path)
        if told.get("x-api-token") not in self.tokens:
            return self._said(401, {"success": False, "error": "unauthorized access", "errorCode": 401})
        self.budget -= cost(method, parts.path)
        if self.budget < 0:
            return self._said(429, {"success": False, "error": "daily budget exceeded"}, {"x-daily-requests-left": "0"})
        if method == "POST" and parts.path == "/api/v2/activities":
            written = json.loads(body)
            number = 1 + max((each["id"] for each in self.lists.get("activities", [])), default=0)
            self.put("activities", activity(number, changed=self.today, done=False, **written))
            return self._said(200, {"success": True, "data": self.lists["activities"][-1]})
        return self._routed(parts.path, params)

    def _said(self, status, body, more=None):
        return status, {"Content-Type": "application/json", **(more or {})}, json.dumps(body)

    def _routed(self, path, params):
        if match := re.fullmatch(r"(?:/api)?/v1/deals/(\d+)/changelog", path):
            return self._paged(self.changes.get(int(match[1]), []), params)
        if path.endswith("/v1/users"):
            user = {
                "id": 1,
                "name": "Ana Roy",
                "email": "ana@acme.example",
                "active_flag": True,
                "timezone_name": "Europe/Paris",
                "created": "2025-01-01 10:00:00",
                "modified": "2025-01-01 10:00:00",
                "is_deleted": False,
            }
            return self._said(200, {"success": True, "data": [user]})
        if "/v1/leads" in path:
            return self._leads(path.endswith("archived"), params)
        if match := re.fullmatch(r"(?:/api)?/v2/(deals/archived|\w+)", path):
            return self._said(*self._list(match[1], params))
        return self._said(404, {"success": False, "error": "Unknown method"})

    def _list(self, name, params):
        kept = self.lists.get(name.partition("/")[0], [])
        if name.startswith("deals"):
            wanted = params.get("status")
            kept = [
                d
                for d in kept
                if d["is_archived"] == (name == "deals/archived")
                and (d["status"] == "deleted") == (wanted == "deleted")
            ]
        since = params.get("updated_since", "")
        kept = [record for record in kept if record["update_time"] >= since]
        after = int(base64.b64decode(params["cursor"])) if params.get("cursor") else 0
        rest = [record for record in kept if record["id"] > after]
        limit = min(int(params.get("limit", 100)), self.size)
        page = rest[:limit]
        cursor = base64.b64encode(str(page[-1]["id"]).encode()).decode() if len(rest) > limit else None
        return 200, {"success": True, "data": page, "additional_data": {"next_cursor": cursor}}

    def _paged(self, rows, params):
        start = int(params.get("cursor") or 0)
        page = rows[start : start + 2]
        cursor = str(start + 2) if len(rows) > start + 2 else None
        return self._said(200, {"success": True, "data": page, "additional_data": {"next_cursor": cursor}})

    def _leads(self, archived, params):
        start, limit, since = (
            int(params.get("start", 0)),
            int(params.get("limit", 100)),
            params.get("updated_since", ""),
        )
        kept = [
            each
            for each in self.leads
            if each["is_archived"] == archived and each["update_time"].replace("T", " ") >= since
        ]
        told = {"start": start, "limit": limit, "more_items_in_collection": len(kept) > start + limit}
        if told["more_items_in_collection"]:
            told["next_start"] = start + limit
        return self._said(
            200, {"success": True, "data": kept[start : start + limit], "additional_data": {"pagination": told}}
        )
