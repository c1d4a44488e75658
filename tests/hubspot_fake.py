"""A HubSpot that holds what a test puts into it, with the limits that HubSpot has.

Clients and models that this project did not write are run against it, so that it cannot drift towards its
own connector unnoticed.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

TOKEN = "pat-eu1-fake-token-0001"
CURSOR = {"contacts": "lastmodifieddate"}
#: Kinds of which HubSpot refuses to list the bin.
NO_BIN = ("meetings", "communications")
#: Results of one search.
CAP = 10_000
EPOCH = "2026-01-01T00:00:00Z"


def stage(number, label, closed="false", probability="0.2", key=""):
    metadata = {"isClosed": closed, "probability": probability}
    return {
        "id": key or str(number),
        "label": label,
        "displayOrder": number,
        "metadata": metadata,
        "createdAt": EPOCH,
        "updatedAt": EPOCH,
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


STAGES = [
    stage(0, "Meeting", key="meeting"),
    stage(1, "Proposal", probability="0.6", key="9071"),
    stage(2, "Won", "true", "1.0", "closedwon"),
    stage(3, "Lost", "true", "0.0", "closedlost"),
]


class RefusalError(Exception):
    def __init__(self, status, message, **more):
        self.status, self.body = (
            status,
            {"status": "error", "message": message, "correlationId": "0-0-0", "category": "VALIDATION_ERROR", **more},
        )


@dataclass
class HubSpot:
    """The records by kind and id, as `add` takes them."""

    objects: dict = field(default_factory=dict)
    links: dict = field(default_factory=dict)
    pipelines: list = field(
        default_factory=lambda: [
            {
                "id": "default",
                "label": "Ventes",
                "displayOrder": 0,
                "stages": STAGES,
                "createdAt": EPOCH,
                "updatedAt": EPOCH,
                "archived": False,
            }
        ]
    )
    owners: list = field(default_factory=list)
    sequences: dict = field(default_factory=dict)
    properties: dict = field(default_factory=dict)
    tokens: set = field(default_factory=lambda: {TOKEN})
    lacks: set = field(default_factory=set)
    asked: list = field(default_factory=list)
    minted: itertools.count = field(default_factory=lambda: itertools.count(1))

    def add(self, kind, number, *, changed=EPOCH, archived=False, history=None, **properties):
        """Put a record in, or another version of it."""
        texts = {name: None if value is None else str(value) for name, value in properties.items()}
        stored = {
            "hs_object_id": str(number),
            CURSOR.get(kind, "hs_lastmodifieddate"): changed,
            "createdate": EPOCH,
            **texts,
        }
        record = {
            "id": str(number),
            "properties": stored,
            "createdAt": EPOCH,
            "updatedAt": changed,
            "archived": archived,
        }
        if archived:
            record["archivedAt"] = changed
        self.objects.setdefault(kind, {})[str(number)] = (record, history or {})

    def link(self, one, number, other, to, type_id=0, label=None):
        """Associate two records, both ways."""
        for (a, x), (b, y) in (((one, number), (other, to)), ((other, to), (one, number))):
            self.links.setdefault((a, b, str(x)), []).append(
                {
                    "toObjectId": int(y),
                    "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label}],
                }
            )

    def answer(self, method, url, headers, body):
        """Status, headers and text of the answer to one request."""
        parts = urlsplit(url)
        self.asked.append(f"{method} {parts.path}")
        params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        told = {name.lower(): value for name, value in headers.items()}
        if parts.path == "/oauth/v1/token":
            token = f"fake-access-token-{next(self.minted)}"
            self.tokens = {token}
            return self._said(
                200, {"access_token": token, "refresh_token": "r", "expires_in": 1800, "token_type": "bearer"}
            )
        if told.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return self._said(
                401,
                {
                    "status": "error",
                    "message": "Authentication credentials not found.",
                    "category": "INVALID_AUTHENTICATION",
                },
            )
        try:
            return self._routed(method, parts.path, params, json.loads(body) if body else {})
        except RefusalError as refusal:
            return self._said(refusal.status, refusal.body)

    def _said(self, status, body):
        return status, {"Content-Type": "application/json"}, json.dumps(body)

    def _routed(self, method, path, params, body):
        path = re.sub(r"^/crm/v3/(\w+)", r"/crm/\1/v", path)
        path = re.sub(r"^/crm/v4/associations", "/crm/associations/v", path)
        path = re.sub(r"^/automation/v4/sequences", "/automation/sequences/v", path)
        routes = [
            ("GET", r"/crm/objects/[\w-]+/(\w+)", self._list),
            ("POST", r"/crm/objects/[\w-]+/(tasks)", self._create),
            ("POST", r"/crm/objects/[\w-]+/(\w+)/search", self._search),
            ("POST", r"/crm/objects/[\w-]+/(\w+)/batch/read", self._batch),
            ("POST", r"/crm/associations/[\w-]+/(\w+)/(\w+)/batch/read", self._associations),
            ("GET", r"/crm/owners/[\w-]+/?", self._owners),
            ("GET", r"/crm/pipelines/[\w-]+/(\w+)", self._pipelines),
            ("GET", r"/crm/properties/[\w-]+/(\w+)", self._properties),
            ("GET", r"/automation/sequences/[\w-]+/?", self._sequences),
        ]
        for verb, pattern, answer in routes:
            if verb == method and (match := re.fullmatch(pattern, path)):
                if set(match.groups()) & self.lacks:
                    raise RefusalError(
                        403, "This app hasn't been granted all required scopes", category="MISSING_SCOPES"
                    )
                return answer(*match.groups(), params, body)
        return 404, {"Content-Type": "text/html"}, "<html>not found</html>"

    def _kept(self, kind, archived):
        if kind not in {
            "companies",
            "contacts",
            "deals",
            "leads",
            "calls",
            "emails",
            "meetings",
            "tasks",
            "notes",
            "communications",
        }:
            raise RefusalError(400, f"Unable to infer object type from: {kind}")
        if archived and kind in NO_BIN:
            raise RefusalError(400, f"{kind} does not support archived")
        return [
            pair
            for _, pair in sorted(self.objects.get(kind, {}).items(), key=lambda item: int(item[0]))
            if pair[0]["archived"] == archived
        ]

    def _shown(self, pair, properties, history):
        record, past = pair
        shown = {name: record["properties"].get(name) for name in {"hs_object_id", "createdate", *properties}}
        found = {**record, "properties": shown}
        if history:
            found["propertiesWithHistory"] = {name: past.get(name, []) for name in history}
        return found

    def _list(self, kind, params, body):
        limit, history = int(params.get("limit", 10)), _names(params.get("propertiesWithHistory"))
        if limit > (50 if history else 100):
            raise RefusalError(400, "limit is too large")
        after = int(params.get("after") or 0)
        rest = [pair for pair in self._kept(kind, params.get("archived") == "true") if int(pair[0]["id"]) >= after]
        page = {"results": [self._shown(pair, _names(params.get("properties")), history) for pair in rest[:limit]]}
        if len(rest) > limit:
            page["paging"] = {"next": {"after": rest[limit][0]["id"], "link": "https://api.hubapi.com/next"}}
        return self._said(200, page)

    def _create(self, kind, params, body):
        if "hs_timestamp" not in body["properties"]:
            raise RefusalError(400, "Some required properties were not set: hs_timestamp")
        number = 7000 + len(self.objects.get(kind, {}))
        self.add(kind, number, **body["properties"])
        return self._said(201, self.objects[kind][str(number)][0])

    def _search(self, kind, params, body):
        limit, offset = int(body.get("limit", 10)), int(body.get("after") or 0)
        if limit > 200:
            raise RefusalError(400, "limit must be at most 200")
        if offset + limit > CAP:
            raise RefusalError(400, "The requested page is beyond the 10,000 results that a search may give")
        found = [
            pair
            for pair in self._kept(kind, archived=False)
            if all(_holds(pair[0], f) for group in body["filterGroups"] for f in group["filters"])
        ]
        for sort in reversed(body.get("sorts", [])):
            name, down = sort["propertyName"], sort.get("direction") == "DESCENDING"
            found.sort(key=lambda pair: _value(pair[0]["properties"].get(name)), reverse=down)
        page = {
            "total": len(found),
            "results": [self._shown(pair, body.get("properties", []), []) for pair in found[offset : offset + limit]],
        }
        if len(found) > offset + limit:
            page["paging"] = {"next": {"after": str(offset + limit)}}
        return self._said(200, page)

    def _batch(self, kind, params, body):
        history = body.get("propertiesWithHistory") or []
        if len(body["inputs"]) > (50 if history else 100):
            raise RefusalError(400, "too many inputs")
        kept = {pair[0]["id"]: pair for pair in self._kept(kind, params.get("archived") == "true")}
        found = [
            self._shown(kept[each["id"]], body.get("properties") or [], history)
            for each in body["inputs"]
            if each["id"] in kept
        ]
        missing = [each["id"] for each in body["inputs"] if each["id"] not in kept]
        told = {"status": "COMPLETE", "results": found, "startedAt": EPOCH, "completedAt": EPOCH}
        if missing:
            told |= {
                "numErrors": 1,
                "errors": [
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "message": "Could not get some objects",
                        "context": {"ids": missing},
                    }
                ],
            }
        return self._said(207 if missing else 200, told)

    def _associations(self, one, other, params, body):
        if len(body["inputs"]) > 1000:
            raise RefusalError(400, "too many inputs")
        results, missing = [], []
        for each in body["inputs"]:
            links, at = self.links.get((one, other, each["id"]), []), int(each.get("after") or 0)
            if not links:
                missing.append(each["id"])
                continue
            told = {"from": {"id": each["id"]}, "to": links[at : at + 500]}
            if len(links) > at + 500:
                told["paging"] = {"next": {"after": str(at + 500), "link": ""}}
            results.append(told)
        found = {"status": "COMPLETE", "results": results, "startedAt": EPOCH, "completedAt": EPOCH}
        if missing:
            found |= {
                "numErrors": 1,
                "errors": [
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                        "message": "No associations found",
                        "context": {"fromObjectId": missing},
                    }
                ],
            }
        return self._said(207 if missing else 200, found)

    def _owners(self, params, body):
        rest = [
            owner
            for owner in self.owners
            if owner["archived"] == (params.get("archived") == "true")
            and int(owner["id"]) > int(params.get("after") or 0)
        ]
        limit = int(params.get("limit", 100))
        page = {"results": rest[:limit]}
        if len(rest) > limit:
            page["paging"] = {"next": {"after": rest[limit - 1]["id"], "link": ""}}
        return self._said(200, page)

    def _pipelines(self, kind, params, body):
        return self._said(200, {"results": self.pipelines if kind == "deals" else []})

    def _properties(self, kind, params, body):
        if kind not in self.properties:
            raise RefusalError(403, "no right to the properties")
        return self._said(200, {"results": self.properties[kind]})

    def _sequences(self, params, body):
        found = self.sequences.get(params["userId"], [])
        return self._said(200, {"total": len(found), "results": found})


def owner(number, first, last, *, archived=False, team=None):
    teams = [{"id": "1", "name": team, "primary": True}] if team else []
    return {
        "id": str(number),
        "userId": number + 1000,
        "email": f"{first}@acme.example".lower(),
        "firstName": first,
        "lastName": last,
        "type": "PERSON",
        "archived": archived,
        "createdAt": EPOCH,
        "updatedAt": EPOCH,
        "teams": teams,
    }


def entry(value, at, by="CRM_UI"):
    return {"value": value, "timestamp": at, "sourceType": by, "sourceId": "userId:77", "updatedByUserId": 77}


def _names(text):
    return [name for name in (text or "").split(",") if name]


@functools.cache
def _value(text):
    if text is None:
        return (0, 0.0)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return (1, float(text))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return (2, text)
    return (1, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _holds(record, condition):
    if condition["operator"] not in {"GTE", "LTE", "GT", "LT", "EQ"}:
        raise RefusalError(400, f"Invalid operator {condition['operator']}")
    have, wanted = _value(record["properties"].get(condition["propertyName"])), _value(condition["value"])
    return {
        "GTE": have >= wanted,
        "LTE": have <= wanted,
        "GT": have > wanted,
        "LT": have < wanted,
        "EQ": have == wanted,
    }[condition["operator"]]
