"""Google's two reports for tests, held to Google's own descriptions, and read by Google's own clients too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

JSON = {"Content-Type": "application/json"}
PAIR = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
PRIVATE = PAIR.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = "reader@acme.iam.gserviceaccount.com"


def key(base):
    """The JSON key of the service account, as Google gives it to download."""
    return json.dumps(
        {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "1",
            "private_key": PRIVATE,
            "token_uri": f"{base}/token",
        }
    )


@dataclass
class GoogleFake:
    """Sessions and searches by day.

    Attributes:
        sessions: Metrics by dimensions, in the order of the connector's.
        searches: Clicks, impressions and position by day, query and page; hidden ones have no query.
        remaining: Tokens of Analytics left today.
        bodies: Path and body of every report that was asked for.
        is_open: True when a token is not asked for: other clients have their own way to get one.
    """

    sessions: dict = field(default_factory=dict)
    searches: dict = field(default_factory=dict)
    remaining: int = 190_000
    bodies: list = field(default_factory=list)
    tokens: set = field(default_factory=set)
    issued: int = 0
    is_open: bool = False

    def answer(self, method, url, headers, body):
        parts = urlsplit(url)
        if parts.path == "/token":
            return self._token(url, body)
        told = {name.lower(): value for name, value in headers.items()}
        if not self.is_open and told.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return (
                401,
                JSON,
                json.dumps({"error": {"code": 401, "message": "Invalid credentials", "status": "UNAUTHENTICATED"}}),
            )
        asked = json.loads(body)
        self.bodies.append((parts.path, asked))
        report = self._sessions if "runReport" in parts.path else self._searches
        return 200, JSON, json.dumps(report(unquote(parts.path), asked))

    def _token(self, url, body):
        form = {name: values[0] for name, values in parse_qs(body).items()}
        try:
            claims = jwt.decode(
                form["assertion"],
                PAIR.public_key(),
                algorithms=["RS256"],
                audience=url,
                issuer=ACCOUNT,
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as problem:
            return 400, JSON, json.dumps({"error": "invalid_grant", "error_description": str(problem)})
        assert claims["exp"] - claims["iat"] <= 3600
        self.issued += 1
        self.tokens.add(f"ya29.{self.issued}")
        return (
            200,
            JSON,
            json.dumps({"access_token": f"ya29.{self.issued}", "expires_in": 3599, "token_type": "Bearer"}),
        )

    def _sessions(self, path, asked):
        (span,) = asked["dateRanges"]
        first, last = (span[name].replace("-", "") for name in ("startDate", "endDate"))
        rows = sorted((d, m) for d, m in self.sessions.items() if first <= d[0] <= last)
        start = int(asked.get("offset", 0))
        shown = rows[start : start + int(asked.get("limit", 10_000))]
        body = {
            "kind": "analyticsData#runReport",
            "dimensionHeaders": asked["dimensions"],
            "metricHeaders": [{**metric, "type": "TYPE_INTEGER"} for metric in asked["metrics"]],
            "rows": [
                {"dimensionValues": [{"value": v} for v in d], "metricValues": [{"value": str(v)} for v in m]}
                for d, m in shown
            ],
            "rowCount": len(rows),
            "metadata": {"currencyCode": "EUR", "timeZone": "Europe/Paris", "subjectToThresholding": True},
            "propertyQuota": {"tokensPerDay": {"consumed": 7, "remaining": self.remaining}},
        }
        return body if shown else {name: value for name, value in body.items() if name not in {"rows", "rowCount"}}

    def _searches(self, path, asked):
        names = [name.lower() for name in asked["dimensions"]]
        found = {}
        for (day, query, page), (clicks, impressions, position) in self.searches.items():
            if asked["startDate"] <= day <= asked["endDate"] and (query or "query" not in names):
                told = {"date": day, "query": query, "page": page}
                sums = found.setdefault(tuple(told[name] for name in names), [0, 0, 0.0])
                for at, value in enumerate((clicks, impressions, position * impressions)):
                    sums[at] += value
        rows = [
            {"keys": list(keys), "clicks": float(c), "impressions": float(n), "ctr": c / n, "position": p / n}
            for keys, (c, n, p) in found.items()
        ]
        rows = sorted(rows, key=lambda row: (-row["clicks"], row["keys"]))
        shown = rows[asked.get("startRow", 0) :][: asked["rowLimit"]]
        told = {"responseAggregationType": "BY_PAGE" if "page" in names else "BY_PROPERTY"}
        return {"rows": shown, **told} if shown else told


CHANNELS = (("Organic Search", "google", "organic"), ("Direct", "(direct)", "(none)"), ("Paid Search", "google", "cpc"))


def filled(days=70, last=date(2026, 7, 1)):
    """Some months of both reports, up to a day."""
    fake = GoogleFake()
    for back in range(days):
        day = last - timedelta(days=back)
        for at, (channel, source, medium) in enumerate(CHANNELS):
            for page in ("/", "/pricing", "(not set)"):
                n = 3 + (back * 7 + at * 3 + len(page)) % 11
                fake.sessions[day.strftime("%Y%m%d"), channel, source, medium, "(not set)", page] = (
                    n,
                    n - 1,
                    n,
                    1,
                    2 * n,
                    0,
                )
        for at, query in enumerate(("crm", "kpi", "forecast", "")):
            fake.searches[day.isoformat(), query, f"https://acme.com/{at}"] = (1 + at, 10 + back % 5, 2.5 + at)
    return fake


def matches(document, name, value, where="$"):
    """What of a value contradicts a schema of Google's own description, unknown names included."""
    schema = document["schemas"][name] if isinstance(name, str) else name
    if "$ref" in schema:
        return matches(document, schema["$ref"], value, where)
    kind, wide = schema.get("type"), schema.get("format") == "int64"
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
    if not isinstance(value, kinds[kind]) or (wide and not value.isdigit()):
        return [f"{where} is no {kind}"]
    if value not in schema.get("enum", [value]):
        return [f"{where} is {value!r}"]
    if kind == "array":
        return [p for at, each in enumerate(value) for p in matches(document, schema["items"], each, f"{where}[{at}]")]
    if kind != "object":
        return []
    known = schema.get("properties", {})
    strange = [f"{where} has {each}" for each in value if each not in known]
    return strange + [
        p for each in value if each in known for p in matches(document, known[each], value[each], f"{where}.{each}")
    ]
