"""A Salesforce organisation for tests, driven by its descriptions.

Which fields an object has, and of which type, is what a real organisation described, read in place from
recordings; a field that is not described is refused in the recorded words. Queries are run by SQLite. What the
organisation answers is checked by a client that nobody here wrote, and what it is asked by a grammar likewise.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx
import numpy as np
import yaml

if TYPE_CHECKING:
    from pathlib import Path

#: Objects that no recording describes, by the names and types of the vendor's reference.
WRITTEN = {
    "User": "Id:id Username:string FirstName:string LastName:string Name:string Email:email Title:string Department:string "
    "Country:string ManagerId:reference TimeZoneSidKey:picklist IsActive:boolean CreatedDate:datetime "
    "LastModifiedDate:datetime SystemModstamp:datetime",
    "OpportunityHistory": "Id:id OpportunityId:reference CreatedById:reference CreatedDate:datetime StageName:picklist "
    "Amount:currency CloseDate:date Probability:double ForecastCategory:picklist SystemModstamp:datetime "
    "IsDeleted:boolean PrevAmount:currency PrevCloseDate:date",
    "OpportunityFieldHistory": "Id:id IsDeleted:boolean OpportunityId:reference CreatedById:reference CreatedDate:datetime "
    "Field:picklist DataType:picklist OldValue:anyType NewValue:anyType",
    "OpportunityStage": "Id:id MasterLabel:string ApiName:string IsActive:boolean SortOrder:int IsClosed:boolean IsWon:boolean "
    "ForecastCategoryName:picklist DefaultProbability:double CreatedDate:datetime SystemModstamp:datetime",
    "LeadHistory": "Id:id IsDeleted:boolean LeadId:reference CreatedById:reference CreatedDate:datetime Field:picklist "
    "DataType:picklist OldValue:anyType NewValue:anyType",
    "Task": "Id:id WhoId:reference WhatId:reference Subject:combobox ActivityDate:date Status:picklist OwnerId:reference "
    "Description:textarea IsDeleted:boolean AccountId:reference IsClosed:boolean CreatedDate:datetime TaskSubtype:picklist "
    "CallType:picklist CallDurationInSeconds:int CallDisposition:string CompletedDateTime:datetime IsArchived:boolean "
    "LastModifiedDate:datetime SystemModstamp:datetime",
    "CurrencyType": "Id:id IsoCode:picklist ConversionRate:double IsActive:boolean IsCorporate:boolean SystemModstamp:datetime",
    "DatedConversionRate": "Id:id IsoCode:picklist StartDate:date NextStartDate:date ConversionRate:double "
    "SystemModstamp:datetime",
}
RECORDED = ("Opportunity", "Account", "Contact", "Lead", "Event")
#: Companies with several currencies have this field on every object with amounts.
CURRENCY = {"Opportunity", "Account", "Lead"}
_QUERY = re.compile(
    r"SELECT (?P<fields>COUNT\(\)|[\w, ]+?) FROM (?P<object>\w+)(?: WHERE (?P<where>.+?))?"
    r"(?: ORDER BY (?P<order>.+?))?(?: LIMIT (?P<limit>\d+))?"
)
_WORD = re.compile(r"'(?:[^'\\]|\\.)*'|\d{4}-\d\d-\d\dT[\d:.]+Z|[A-Za-z_]\w*|[<>!]=|\S")
_KEYWORDS = {"AND", "OR", "NOT", "ASC", "DESC", "IN", "true", "false", "null", "LIKE"}
TOKEN = "00Dxx0000001gPL!token-that-nobody-sees"
SECRET = "the-consumer-secret-of-the-app"


def described(folder: Path) -> dict[str, dict[str, str]]:
    """Fields and their types by object: as recorded, and as the vendor's reference writes the others."""
    found = {name: dict(item.split(":") for item in text.split()) for name, text in WRITTEN.items()}
    for name in RECORDED:
        recorded = yaml.safe_load((folder / f"GET_sobjects_{name}_describe.yaml").read_text())
        fields = json.loads(recorded["response"]["body"]["string"])["fields"]
        found[name] = {item["name"]: item["type"] for item in fields}
        found[name] |= {"CurrencyIsoCode": "picklist"} if name in CURRENCY else {}
    return found


class RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.response = httpx.Response(status, json=[{"message": message, "errorCode": code}])


@dataclass
class SalesforceOrg:
    """The organisation: `put` writes records, and a call answers one request.

    Attributes:
        objects: Fields and types of each object.
        batch: Records that one answer holds at most, whatever the query asks for.
        remaining: Requests left of the day's 100,000.
        asked: Every query, in order.
    """

    objects: dict[str, dict[str, str]]
    batch: int = 2_000
    remaining: int = 90_000
    host: str = "https://acme.my.salesforce.com"
    asked: list[str] = field(default_factory=list)
    tokens: int = 0
    expires_after: int = 0
    jobs: dict[str, dict] = field(default_factory=dict)
    cursors: dict[str, list] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = sqlite3.connect(":memory:", check_same_thread=False)
        for name, fields in self.objects.items():
            self.rows.execute(f'CREATE TABLE "{name}" ({", ".join(fields)}, PRIMARY KEY (Id))')

    def put(self, name: str, **record) -> None:
        """Write one record; a field that the object does not have is a mistake of the test."""
        if strange := set(record) - set(self.objects[name]):
            raise KeyError(strange)
        marks = ", ".join("?" * len(record))
        names = ", ".join(record)
        changes = ", ".join(f"{f} = excluded.{f}" for f in record)
        self.rows.execute(
            f'INSERT INTO "{name}" ({names}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {changes}',
            list(record.values()),
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._answer(request)
        except RefusedError as refused:
            return refused.response

    def _answer(self, request: httpx.Request) -> httpx.Response:  # noqa: PLR0911 - one per kind of request
        path = request.url.path.rstrip("/")
        if path == "/services/oauth2/token":
            return self._token(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}{self.tokens}" or self._is_over():
            raise RefusedError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        rest = re.fullmatch(r"/services/data/v\d+\.0/(.+)", path)
        if rest is None:
            raise RefusedError(404, "NOT_FOUND", "The requested resource does not exist")
        match rest[1].split("/"):
            case ["limits"]:
                return httpx.Response(200, json={"DailyApiRequests": {"Max": 100_000, "Remaining": self.remaining}})
            case ["sobjects"]:
                return httpx.Response(200, json={"sobjects": [{"name": n, "queryable": True} for n in self.objects]})
            case ["sobjects", name, "describe"]:
                return self._describe(name)
            case ["sobjects", name] if request.method == "POST":
                return self._create(name, json.loads(request.content))
            case ["query" | "queryAll" as kind]:
                return self._query(request.url.params["q"], deleted=kind == "queryAll")
            case ["query" | "queryAll", locator]:
                return self._more(locator)
            case ["jobs", "query", *job]:
                return self._job(request, job)
        raise RefusedError(404, "NOT_FOUND", "The requested resource does not exist")

    def _is_over(self) -> bool:
        """A token that serves some requests only; the next one is as new again."""
        self.expires_after -= 1
        return self.expires_after == 0

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if form.get("client_secret") != SECRET or form["grant_type"] not in {"client_credentials", "refresh_token"}:
            return httpx.Response(
                400, json={"error": "invalid_client", "error_description": "invalid client credentials"}
            )
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"{TOKEN}{self.tokens}", "instance_url": self.host})

    def _describe(self, name: str) -> httpx.Response:
        if name not in self.objects:
            raise RefusedError(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [{"name": field, "type": kind} for field, kind in self.objects[name].items()]
        return httpx.Response(200, json={"name": name, "queryable": True, "fields": fields})

    def _create(self, name: str, written: dict) -> httpx.Response:
        if strange := set(written) - set(self.objects[name]):
            raise RefusedError(400, "INVALID_FIELD", f"No such column '{min(strange)}' on sobject of type {name}")
        (n,) = self.rows.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        number = f"00Txx{n:010d}AAA"
        self.put(name, Id=number, **written)
        return httpx.Response(201, json={"id": number, "success": True, "errors": []})

    def _query(self, soql: str, *, deleted: bool) -> httpx.Response:
        name, fields, rows = self._run(soql, deleted=deleted)
        if fields is None:
            return httpx.Response(200, json={"totalSize": rows[0][0], "done": True, "records": []})
        url = f"/services/data/v64.0/sobjects/{name}/"
        records = [{"attributes": {"type": name, "url": url}, **self._shown(name, fields, row)} for row in rows]
        return self._batch(records, len(records))

    def _batch(self, records: list, total: int) -> httpx.Response:
        body = {"totalSize": total, "done": len(records) <= self.batch, "records": records[: self.batch]}
        if not body["done"]:
            locator = f"01gxx{len(self.cursors):05d}-{self.batch}"
            self.cursors[locator] = records[self.batch :]
            body["nextRecordsUrl"] = f"/services/data/v64.0/query/{locator}"
        return httpx.Response(200, json=body)

    def _more(self, locator: str) -> httpx.Response:
        if locator not in self.cursors:
            raise RefusedError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._batch(self.cursors[locator], 0)

    def _shown(self, name: str, fields: list[str], row: tuple) -> dict:
        kinds = self.objects[name]
        return {field: _json(value, kinds[field]) for field, value in zip(fields, row, strict=True)}

    def _job(self, request: httpx.Request, job: list[str]) -> httpx.Response:
        if not job:
            told = json.loads(request.content)
            name, fields, rows = self._run(told["query"], deleted=told["operation"] == "queryAll")
            if compound := [f for f in fields if self.objects[name][f] in {"address", "location"}]:
                raise RefusedError(400, "FEATURENOTENABLED", f"Compound fields are not supported: {compound}")
            number = f"750xx{len(self.jobs):010d}AAA"
            self.jobs[number] = {"object": name, "fields": fields, "rows": rows, "looks": 0}
            return httpx.Response(
                200, json={"id": number, "state": "UploadComplete", "object": name, "operation": "queryAll"}
            )
        found = self.jobs[job[0]]
        if job[1:] != ["results"]:
            found["looks"] += 1
            state = "JobComplete" if found["looks"] > 1 else "InProgress"
            return httpx.Response(200, json={"id": job[0], "state": state})
        start = int(request.url.params.get("locator", "0"))
        rows = found["rows"][start : start + int(request.url.params["maxRecords"])]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(found["fields"])
        kinds = self.objects[found["object"]]
        writer.writerows([_csv(v, kinds[f]) for f, v in zip(found["fields"], row, strict=True)] for row in rows)
        end = start + len(rows)
        headers = {"Sforce-Locator": str(end) if end < len(found["rows"]) else "null", "Content-Type": "text/csv"}
        return httpx.Response(200, text=text.getvalue(), headers={**headers, "Sforce-NumberOfRecords": str(len(rows))})

    def _run(self, soql: str, *, deleted: bool) -> tuple[str, list[str] | None, list[tuple]]:
        """Object, fields and rows of a query; no fields for a count."""
        self.asked.append(soql)
        parts = _QUERY.fullmatch(soql)
        if parts is None:
            raise RefusedError(400, "MALFORMED_QUERY", f"unexpected token: {soql}")
        name = parts["object"]
        if name not in self.objects:
            raise RefusedError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        kinds = self.objects[name]
        fields = None if parts["fields"] == "COUNT()" else parts["fields"].split(", ")
        for word in [*(fields or []), *_names(parts["where"]), *_names(parts["order"])]:
            if word not in kinds:
                raise RefusedError(400, "INVALID_FIELD", f"No such column '{word}' on sobject of type {name}")
        where = [f"({_sql(parts['where'])})"] if parts["where"] else []
        where += ["coalesce(IsDeleted, 0) = 0"] if not deleted and "IsDeleted" in kinds else []
        statement = f'SELECT {", ".join(fields) if fields else "count(*)"} FROM "{name}"'
        statement += f" WHERE {' AND '.join(where)}" if where else ""
        statement += f" ORDER BY {parts['order']}" if parts["order"] else ""
        statement += f" LIMIT {parts['limit']}" if parts["limit"] else ""
        return name, fields, self.rows.execute(statement).fetchall()


def _names(text: str | None) -> list[str]:
    return [w for w in _WORD.findall(text or "") if re.fullmatch(r"[A-Za-z_]\w*", w) and w not in _KEYWORDS]


def _sql(where: str) -> str:
    """The condition as SQL: instants as texts, and quotes inside texts doubled rather than escaped."""
    said = lambda w: w.replace("\\'", "''").replace("\\\\", "\\") if w[0] == "'" else w  # noqa: E731
    return " ".join(f"'{w}'" if re.match(r"\d{4}-", w) else said(w) for w in _WORD.findall(where))


def _json(value, kind: str):
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    return value.replace("Z", "+0000") if kind == "datetime" else value


def _csv(value, kind: str) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if kind == "boolean" else str(value)


def when(hours: float, start: datetime = datetime(2026, 1, 5, 8, tzinfo=UTC)) -> str:
    """An instant as the organisation keeps it."""
    return (start + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


STAGES = ("Prospecting", "Proposal", "Negotiation", "Closed Won", "Closed Lost")


def filled(org: SalesforceOrg, seed: int, n_deals: int) -> SalesforceOrg:
    """The organisation with owners, accounts, leads, touches and deals that went through stages."""
    draw = np.random.default_rng(seed)
    audit = lambda hours: {"CreatedDate": when(hours), "LastModifiedDate": when(hours), "SystemModstamp": when(hours)}  # noqa: E731
    for n in range(4):
        org.put(
            "User",
            Id=_id("005", n),
            Username=f"u{n}@acme.test",
            FirstName="U",
            LastName=str(n),
            Name=f"U {n}",
            Email=f"u{n}@acme.test",
            IsActive=1,
            **audit(0),
        )
    for n, stage in enumerate(STAGES):
        org.put(
            "OpportunityStage",
            Id=_id("01J", n),
            MasterLabel=stage,
            ApiName=stage,
            IsActive=1,
            SortOrder=n + 1,
            IsClosed=n > 2,
            IsWon=n == 3,
            DefaultProbability=(10.0, 40.0, 70.0, 100.0, 0.0)[n],
            CreatedDate=when(0),
            SystemModstamp=when(0),
        )
    for n, (iso, rate) in enumerate((("EUR", 1.0), ("USD", 1.1))):
        org.put(
            "CurrencyType",
            Id=_id("01L", n),
            IsoCode=iso,
            ConversionRate=rate,
            IsActive=1,
            IsCorporate=iso == "EUR",
            SystemModstamp=when(0),
        )
        org.put(
            "DatedConversionRate",
            Id=_id("04w", n),
            IsoCode=iso,
            StartDate="2026-01-01",
            ConversionRate=rate,
            SystemModstamp=when(0),
        )
    for n in range(n_deals):
        hours = float(draw.integers(0, 3000))
        org.put(
            "Account",
            Id=_id("001", n),
            Name=f"Account {n}",
            IsDeleted=0,
            BillingCountry="France",
            NumberOfEmployees=int(draw.integers(10, 900)),
            OwnerId=_id("005", n % 4),
            Website=f"a{n}.test",
            **audit(hours),
        )
        _deal(org, draw, n, hours, audit)
        org.put(
            "Lead",
            Id=_id("00Q", n),
            LastName=f"L{n}",
            Company=f"Account {n}",
            IsDeleted=0,
            IsConverted=1,
            LeadSource="Web",
            Status="Converted",
            OwnerId=_id("005", n % 4),
            ConvertedDate=when(hours)[:10],
            ConvertedAccountId=_id("001", n),
            ConvertedOpportunityId=_id("006", n),
            Email=f"l@a{n}.test",
            **audit(hours),
        )
        org.put(
            "LeadHistory",
            Id=_id("017", n),
            LeadId=_id("00Q", n),
            Field="Status",
            OldValue="Open",
            NewValue="Converted",
            IsDeleted=0,
            CreatedDate=when(hours),
        )
        org.put(
            "Task",
            Id=_id("00T", n),
            WhoId=_id("00Q", n),
            WhatId=_id("006", n),
            Subject="Call",
            ActivityDate=when(hours + 5)[:10],
            Status="Completed",
            IsClosed=n % 3 > 0,
            IsDeleted=0,
            TaskSubtype="Call",
            CallType="Outbound",
            CallDurationInSeconds=60,
            OwnerId=_id("005", n % 4),
            AccountId=_id("001", n),
            CompletedDateTime=when(hours + 5),
            Description="private",
            **audit(hours + 5),
        )
        org.put(
            "Event",
            Id=_id("00U", n),
            WhoId=_id("003", n),
            WhatId=_id("006", n),
            Subject="Demo",
            StartDateTime=when(hours + 9),
            DurationInMinutes=30,
            IsChild=0,
            IsDeleted=0,
            AccountId=_id("001", n),
            OwnerId=_id("005", n % 4),
            **audit(hours + 9),
        )
    return org


def _deal(org, draw, n, hours, audit) -> None:
    """A deal with its changes of stage."""
    last = int(draw.integers(1, 5))
    steps = [0, 1, 2][:last] if last < 3 else [0, 1, last]
    for k, step in enumerate(steps):
        org.put(
            "OpportunityHistory",
            Id=_id("008", n * 5 + k),
            OpportunityId=_id("006", n),
            StageName=STAGES[step],
            Amount=1000.5 + n,
            CloseDate="2026-06-30",
            IsDeleted=0,
            CreatedDate=when(hours + 48 * k),
            SystemModstamp=when(hours + 48 * k),
        )
    end = hours + 48 * (len(steps) - 1)
    step = steps[-1]
    org.put(
        "Opportunity",
        Id=_id("006", n),
        Name=f"Deal {n}",
        AccountId=_id("001", n),
        OwnerId=_id("005", n % 4),
        StageName=STAGES[step],
        Amount=1000.5 + n,
        CurrencyIsoCode="USD" if n % 2 else "EUR",
        CloseDate=when(end)[:10],
        IsClosed=step > 2,
        IsWon=step == 3,
        IsDeleted=n % 7 == 0,
        Probability=50.0,
        ForecastCategoryName="Pipeline",
        LeadSource="Web",
        CreatedDate=when(hours),
        LastModifiedDate=when(end),
        SystemModstamp=when(end),
    )
    org.put(
        "OpportunityFieldHistory",
        Id=_id("017", 10_000 + n),
        OpportunityId=_id("006", n),
        Field="Amount",
        OldValue="900",
        NewValue=str(1000.5 + n),
        IsDeleted=0,
        CreatedDate=when(end),
    )


def _id(prefix: str, number: int) -> str:
    return f"{prefix}xx{number:010d}AAA"
