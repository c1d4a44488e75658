"""Salesforce: objects by SOQL, oldest change first, and by Bulk API 2.0 where there are many.

* A read goes by ``(SystemModstamp, Id)``: the place is the last record itself, so that it can be taken up after
  any time, when a query locator of Salesforce would have expired. The start is included and lies before
  the last read: a transaction that commits late has an older stamp than the read that missed it.
* ``queryAll`` also gives what is in the recycle bin (``IsDeleted``) and activities that were archived.
* Fields are those that the account describes, so that what it does not have is never asked for.
* A share of the day's requests is left to the other tools of the company.

Sources: Salesforce REST API and Bulk API 2.0 developer guides.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cadran.errors import SourceError
from cadran.sources.live.auth import Nobody, Renewed
from cadran.sources.live.connection import Kind, Need
from cadran.sources.live.http import Habits, Http, Reply
from cadran.sources.live.secret import Secret
from cadran.sources.live.stream import Account, Page, Stream, Window
from cadran.sources.live.task import once, owner_among

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cadran.sources.live.connection import Connection
    from cadran.sources.live.stream import Record
    from cadran.sources.live.task import Task
    from cadran.sources.live.wire import Wire

#: Records of one page of SOQL, the most that Salesforce gives at once.
PAGE = 2_000
#: Records above which a first read goes by Bulk API, and records of one of its pages.
BULK, BULK_PAGE = 50_000, 50_000
#: What one bulk job covers at most.
SPAN = timedelta(days=30)
#: How far before its last read an object is read again.
LOOKBACK = timedelta(minutes=10)
#: Seconds between two looks at a bulk job, and looks before it is given up.
POLL, POLLS = 5.0, 720
#: Characters of a query: its address must stay below 16 kB when every comma is escaped.
MOST_SOQL = 9_000
#: Objects in the order in which they are read; the first ones must be there.
NEEDED = ("Opportunity", "Account", "User")
OBJECTS = (
    *NEEDED,
    "OpportunityHistory",
    "OpportunityFieldHistory",
    "OpportunityStage",
    "Contact",
    "Lead",
    "LeadHistory",
    "Task",
    "Event",
    "EmailMessage",
)
#: Tables of rates: by day where the account dates them, else the present ones.
RATES = ("DatedConversionRate", "CurrencyType")
#: Years of rates that are told.
RATE_YEARS = 10
#: Types of fields that no query gives as one value.
_COMPOUND = {"address", "location", "base64", "complexvalue"}
#: What people wrote to each other, which no figure needs.
_LETTERS = {"textarea"}
_ACTIVITIES = {"Task", "Event", "EmailMessage"}
_NO_COLUMN = re.compile(r"No such column '(\w+)'")


def _stop(reply: Reply) -> str:
    """Salesforce's own word for: not today."""
    return "Salesforce answers no more requests today." if "REQUEST_LIMIT_EXCEEDED" in reply.text else ""


HABITS = Habits(stop=_stop)


@dataclass
class Org:
    """One organisation.

    Attributes:
        http: Its client.
        root: Path of the version of the API that is used.
        wire: Waiting, between looks at a bulk job.
        bulk: Records above which a first read goes by Bulk API.
        fields: Fields of each object that was described so far.
    """

    http: Http
    root: str
    wire: Wire
    bulk: int = BULK
    fields: dict[str, list[str]] = field(default_factory=dict)

    def objects(self) -> set[str]:
        """Names of the objects that the user of the token may query."""
        found = self.http.get(f"{self.root}/sobjects")["sobjects"]
        return {item["name"] for item in found if item["queryable"]}

    def spare(self, reserve: int) -> None:
        """Look how many requests are left today.

        Args:
            reserve: Percent of them that other tools are left with.

        Raises:
            SourceError: There are fewer.
        """
        daily = self.http.get(f"{self.root}/limits").get("DailyApiRequests", {})
        most, left = int(daily.get("Max", 0)), int(daily.get("Remaining", 0))
        if left * 100 < most * reserve:
            raise SourceError(
                "Salesforce has {left} of {most} requests left today; {reserve} % are kept for other tools.",
                permanent=False,
                hint="Run it again tomorrow, or set `reserve` lower.",
                left=left,
                most=most,
                reserve=reserve,
            )

    def stream(self, name: str) -> Stream:
        """One object as a stream."""
        return Stream(
            name,
            lambda window: self.read(name, window),
            key=("Id",),
            cursor="SystemModstamp" if not name.endswith("FieldHistory") and name != "LeadHistory" else "CreatedDate",
            since=True,
            lookback=LOOKBACK,
            deletes="flag",
            history="native" if name == "Opportunity" else "snapshots",
            needed=name in NEEDED,
            grants=(f"Read {name}",),
        )

    def read(self, name: str, window: Window) -> Iterator[Page]:
        """The pages of one object."""
        cursor = self._cursor(name)
        place: dict[str, str] = window.resume or {"at": literal(window.since) if window.since else ""}
        total = self._count(name, f"{cursor} >= {place['at']}" if place.get("at") else "")
        if "from" in place or (not place["at"] and total > self.bulk):
            yield from self._many(name, cursor, window.until, place, total)
            place = {"at": literal(window.until - LOOKBACK)}
        while True:
            records = self._page(name, cursor, place)
            if records:
                place = {"at": stamp(records[-1][cursor]), "id": records[-1]["Id"]}
            yield Page(records, resume=place, total=total)
            if len(records) < PAGE:
                return

    def rates(self, name: str) -> Stream:
        """The price of each currency in the one of the company, week by week while it holds."""

        def read(window: Window) -> Iterator[Page]:
            for corporate in self._all("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true"):
                for record in self._all(f"SELECT {', '.join(self._fields(name))} FROM {name}"):
                    days = _weeks(record, window.until.date())
                    yield Page([{**record, "CorporateIsoCode": corporate["IsoCode"], "Day": str(day)} for day in days])

        return Stream("Rates", read, key=("Id", "Day"), cursor="SystemModstamp", deletes="none")

    def _cursor(self, name: str) -> str:
        known = self._fields(name)
        return next(field for field in ("SystemModstamp", "LastModifiedDate", "CreatedDate") if field in known)

    def _fields(self, name: str) -> list[str]:
        """Fields that a query can name: those of Salesforce, then the company's own as far as a query may be long."""
        if name not in self.fields:
            described = self.http.get(f"{self.root}/sobjects/{name}/describe")["fields"]
            left_out = _COMPOUND | (_LETTERS if name in _ACTIVITIES else set())
            plain = [item["name"] for item in described if item["type"] not in left_out]
            ordered = sorted(plain, key=lambda word: word.endswith("__c"))
            length, kept = 0, []
            for word in ordered:
                length += len(word) + 4
                kept += [word] if length < MOST_SOQL else []
            self.fields[name] = kept
        return self.fields[name]

    def _count(self, name: str, where: str) -> int:
        return int(self._query(f"SELECT COUNT() FROM {name}{f' WHERE {where}' if where else ''}")["totalSize"])

    def _page(self, name: str, cursor: str, place: Mapping[str, str]) -> list[Record]:
        """The records that come next in the order of cursor and id; a field that is gone is asked for no more."""
        after = f"({cursor} > {place['at']} OR ({cursor} = {place['at']} AND Id > '{place.get('id', '')}'))"
        where = after if place.get("id") else f"{cursor} >= {place['at']}" if place["at"] else ""
        while True:
            try:
                return self._all(
                    f"SELECT {', '.join(self._fields(name))} FROM {name}{f' WHERE {where}' if where else ''}"
                    f" ORDER BY {cursor} ASC, Id ASC LIMIT {PAGE}"
                )
            except SourceError as error:
                lost = _NO_COLUMN.search(self.http.last.text)
                if error.params.get("status") != 400 or lost is None or lost[1] not in self._fields(name):
                    raise
                self.fields[name].remove(lost[1])

    def _all(self, soql: str) -> list[Record]:
        """Every record of a query."""
        body = self._query(soql)
        records = list(body["records"])
        while not body["done"]:
            body = self.http.get(body["nextRecordsUrl"])
            records += body["records"]
        return [{name: value for name, value in record.items() if name != "attributes"} for record in records]

    def _query(self, soql: str) -> Any:
        return self.http.get(f"{self.root}/queryAll", {"q": soql})

    def _many(self, name: str, cursor: str, until: datetime, place: Mapping[str, Any], total: int) -> Iterator[Page]:
        """The records up to an instant, by one bulk job for each month that has any."""
        start = moment(place["from"]) if "from" in place else self._first(name, cursor)
        while start < until:
            end = min(start + SPAN, until)
            chosen = ", ".join(self._fields(name))
            where = f"{cursor} >= {literal(start)} AND {cursor} < {literal(end)}"
            pages = self._job(f"SELECT {chosen} FROM {name} WHERE {where}")
            for number, records in enumerate(pages, start=1):
                yield Page(records, resume={"from": literal(start), "page": number}, total=total)
            yield Page([], resume={"from": literal(end)}, total=total)
            start = end

    def _first(self, name: str, cursor: str) -> datetime:
        (record,) = self._all(f"SELECT Id, {cursor} FROM {name} ORDER BY {cursor} ASC, Id ASC LIMIT 1")
        return moment(stamp(record[cursor]))

    def _job(self, soql: str) -> Iterator[list[Record]]:
        """The pages of a bulk query."""
        jobs = f"{self.root}/jobs/query"
        job = self.http.post(jobs, {"operation": "queryAll", "query": soql})["id"]
        for _ in range(POLLS):
            told = self.http.get(f"{jobs}/{job}")
            if told["state"] in {"JobComplete", "Failed", "Aborted"}:
                break
            self.wire.sleep(POLL)
        if told["state"] != "JobComplete":
            raise SourceError(
                "A bulk query of Salesforce ended as {state}: {problem}.",
                permanent=False,
                hint="Run it again later: it goes on where it was.",
                state=told["state"],
                problem=told.get("errorMessage", ""),
            )
        locator = ""
        while locator != "null":
            params = {"maxRecords": BULK_PAGE, "locator": locator or None}
            text = self.http.ask("GET", f"{jobs}/{job}/results", params=params, plain=True)
            locator = self.http.last.headers.get("Sforce-Locator", "null")
            yield _rows(text, int(self.http.last.headers["Sforce-NumberOfRecords"]))


def _rows(text: str, number: int) -> list[Record]:
    """The records of a page of CSV; nothing between two commas is null.

    Raises:
        SourceError: There are fewer than Salesforce says.
    """
    records: list[Record] = [
        {name: cell or None for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))
    ]
    if len(records) != number:
        raise SourceError(
            "Salesforce sent {n} of {number} records of a page.",
            permanent=False,
            hint="Run it again: it goes on where it was.",
            n=len(records),
            number=number,
        )
    return records


def _weeks(rate: Record, last: date) -> list[date]:
    """The days on which a rate is told: weekly over its span, of the last `RATE_YEARS` years."""
    first = last - timedelta(days=365 * RATE_YEARS)
    start = max(date.fromisoformat(rate.get("StartDate") or str(first)), first)
    end = min(date.fromisoformat(rate.get("NextStartDate") or str(date.max)), last + timedelta(days=1))
    return [start + timedelta(days=n) for n in range(0, max((end - start).days, 0), 7)]


def literal(instant: datetime) -> str:
    """An instant as SOQL writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def stamp(text: str) -> str:
    """A time of a record as SOQL writes it: records have their offset without a colon."""
    return text.replace("+0000", "Z")


def moment(text: str) -> datetime:
    """The instant of a literal."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class _Login:
    """Asks for a token by what the connection holds: the client's own right, or a refresh token of a person."""

    domain: str
    client_id: str
    secrets: Mapping[str, Secret | None]
    wire: Wire

    def token(self) -> tuple[Secret, str]:
        """A token, and the address of the organisation that takes it."""
        form = {"client_id": self.client_id, "grant_type": "client_credentials"}
        client, refresh = self.secrets["client_secret"], self.secrets.get("refresh_token")
        if client is not None:
            form["client_secret"] = client.reveal()
        if refresh is not None:
            form |= {"grant_type": "refresh_token", "refresh_token": refresh.reveal()}
        with Http(self.domain, Nobody(self.kept()), self.wire, HABITS) as http:
            body = http.ask("POST", "/services/oauth2/token", form=form)
        return Secret(body["access_token"]), body["instance_url"]

    def kept(self) -> tuple[Secret, ...]:
        return tuple(secret for secret in self.secrets.values() if secret is not None)


def _client(connection: Connection, wire: Wire, how: Habits) -> Http:
    settings, places = connection.settings, connection.places
    held = {"client_secret": places["client_secret"].get(), "refresh_token": places["refresh_token"].find()}
    login = _Login(settings["domain"].rstrip("/"), settings["client_id"], held, wire)
    token, instance = login.token()
    auth = Renewed(lambda: login.token()[0], login.kept(), token, [token])
    return Http(instance, auth, wire, how)


def put_task(connection: Connection, wire: Wire, task: Task) -> str:
    """Make a task unless it is there; the app's user needs the right to edit tasks.

    Raises:
        ConfigError: A secret is not where the settings say.
        SourceError: Salesforce refuses, or gave no answer.
    """
    root = f"/services/data/v{connection.settings['version']}"
    with _client(connection, wire, once(HABITS)) as http:
        if task.since is not None:
            asked = f"SELECT Id FROM Task WHERE Subject = {_quoted(task.subject)} LIMIT 1"
            if found := http.get(f"{root}/query", {"q": asked})["records"]:
                return str(found[0]["Id"])
        same = _quoted(" ".join(task.owner.split()))
        asked = f"SELECT Id, Name, Email FROM User WHERE IsActive = true AND (Name = {same} OR Email = {same})"
        users = http.get(f"{root}/query", {"q": asked})["records"]
        values = {
            "Subject": task.subject,
            "Description": f"{task.about}\n{task.owner}",
            "ActivityDate": str(task.due_on),
            "OwnerId": owner_among(((u["Id"], u["Name"] or "", u["Email"] or "") for u in users), task.owner),
        }
        body = {name: value for name, value in values.items() if value is not None}
        return str(http.post(f"{root}/sobjects/Task", body)["id"])


def _quoted(text: str) -> str:
    """A text as SOQL writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _open(connection: Connection, wire: Wire) -> Account:
    settings = connection.settings
    http = _client(connection, wire, HABITS)
    org = Org(http, f"/services/data/v{settings['version']}", wire, int(settings["bulk"]))
    org.spare(int(settings["reserve"]))
    there = org.objects()
    streams = [org.stream(name) for name in OBJECTS if name in there or name in NEEDED]
    rates = next((name for name in RATES if name in there), "")
    return Account((*streams, *([org.rates(rates)] if rates else [])), http.meter, http.close)


KIND = Kind(
    "salesforce",
    "Salesforce",
    (
        Need("client_secret", "Consumer secret of an external client app that allows the client credentials flow."),
        Need("refresh_token", "Only for an app that acts for a person: the refresh token of that person.", ""),
    ),
    (
        Need("domain", "Address of My Domain, such as https://acme.my.salesforce.com.", pattern=r"https?://\S+"),
        Need("client_id", "Consumer key of the same app."),
        Need("version", "Version of the API.", "64.0", r"\d+\.0"),
        Need("reserve", "Percent of the day's requests that are left to other tools.", "20", r"\d\d?"),
        Need("bulk", "Records of an object above which a first read goes by Bulk API.", str(BULK), r"\d+"),
    ),
    _open,
    put_task=put_task,
)
