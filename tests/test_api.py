from decimal import Decimal

import pytest

from cadran.api import create_api
from cadran.engine.query import KpiQuery
from cadran.errors import StoreError
from cadran.web.app import create_app
from cockpit import fake_workspace, get


@pytest.fixture(scope="module")
def workspace():
    return fake_workspace()


@pytest.fixture(scope="module")
def api(workspace):
    return create_api(workspace)


def test_health_says_how_fresh_the_figures_are(api):
    found = get(api, "/health").json()

    assert found == {"status": "ok", "snapshot": "20261121T093800", "known_at": "2026-11-21T09:38:00", "issues": 2}


def test_every_kpi_is_listed_in_the_language_asked_for(api, workspace):
    french, english = get(api, "/kpis?lang=fr").json(), get(api, "/kpis?lang=en").json()

    assert [kpi["id"] for kpi in english] == list(workspace.catalogue.kpis)
    assert next(kpi["name"] for kpi in french if kpi["id"] == "win_rate") == "Taux de gain"
    assert next(kpi["name"] for kpi in english if kpi["id"] == "win_rate") == "Win rate"


def test_a_contract_has_everything_that_is_governed(api, workspace):
    found = get(api, "/kpis/win_rate?lang=en").json()
    kpi = workspace.catalogue.kpi("win_rate")

    assert found["formula"] == kpi.formula["en"]
    assert found["oracle"] == kpi.oracle
    assert found["targets"][0]["value"] == "0.25"
    assert found["benchmarks"][0]["grade"] == "C"


def test_a_question_is_asked_as_on_the_command_line():
    workspace = fake_workspace()
    url = "/kpi?kpi=win_rate&by=segment&grain=month&from=2026-09-01&to=2026-11-01&where=country%20%3D%20%27FR%27&compare=previous"
    get(create_api(workspace), url)

    asked = workspace.one.asked[0]
    expected = {"by": ("segment",), "grain": "month", "where": ("country = 'FR'",), "compare": "previous"}
    assert isinstance(asked, KpiQuery)
    assert {name: getattr(asked, name) for name in expected} == expected
    assert (str(asked.start), str(asked.end)) == ("2026-09-01", "2026-11-01")


def test_a_reading_carries_its_uncertainty_and_its_verdict(api):
    found = get(api, "/kpi?kpi=win_rate&grain=month&from=2026-09-01&to=2026-11-01&compare=previous").json()
    first = found["readings"][0]

    assert (first["start"], first["end"], first["unit"]) == ("2026-09-01", "2026-10-01", "rate")
    assert first["low"] < first["value"] < first["high"]
    assert first["value"] == pytest.approx(first["numerator"] / first["denominator"])
    assert first["change"]["start"] == "2026-08-01"
    assert found["lineage"] == {"win_rate": ["opportunity", "account"]}
    assert found["sql"]


def test_money_is_written_as_text_so_that_no_digit_is_lost(api):
    """G-14."""
    value = get(api, "/kpi?kpi=arr&grain=month&from=2026-09-01&to=2026-10-01").json()["readings"][0]["value"]

    assert isinstance(value, str)
    assert Decimal(value) > 0


def test_an_undefined_value_is_null_with_its_reason_and_never_zero():
    """G-1."""
    workspace = fake_workspace(undefined=("win_rate",))
    found = get(create_api(workspace), "/kpi?kpi=win_rate").json()["readings"][0]

    assert found["value"] is None
    assert found["status"] == "undefined"
    assert "win_rate has no case" in found["reason"]


def test_a_missing_segment_is_null(api):
    """G-9."""
    found = get(api, "/kpi?kpi=win_rate&by=segment").json()["readings"]

    assert [reading["segment"]["segment"] for reading in found] == ["Enterprise", "Mid-market", "SMB", None]


def test_rows_come_with_their_total(api, workspace):
    found = get(api, "/rows?kpi=win_rate&limit=2&offset=10").json()

    assert found["total"] == 61
    assert [row[0] for row in found["rows"]] == ["crm:10", "crm:11"]


@pytest.mark.parametrize(
    ("url", "status", "code", "hint"),
    [
        ("/kpi?kpi=win_rate&grain=mont", 400, "QueryError", "Did you mean month?"),
        ("/kpi?kpi=win_rate&from=31/03/2026", 400, "QueryError", "Write it as 2026-03-31."),
        ("/kpi?kpi=win_rate&compare=plan", 400, "QueryError", "Use previous, year or none."),
        ("/rows?kpi=win_rate&kpi=arr", 400, "QueryError", "Give `kpi` once."),
        ("/kpi", 422, "QueryError", ""),
        ("/rows?kpi=win_rate&limit=0", 422, "QueryError", ""),
        ("/kpis/win_ratt", 404, "NotFound", "Did you mean win_rate?"),
        ("/nowhere", 404, "NotFound", ""),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(api, url, status, code, hint):
    found = get(api, url, accept_language="en")

    assert found.headers["content-type"] == "application/problem+json"
    assert (found.status_code, found.json()["status"], found.json()["code"], found.json()["hint"]) == (
        status,
        status,
        code,
        hint,
    )
    assert found.json()["message"]


def test_a_problem_is_told_in_the_callers_language(api):
    url = "/nowhere"

    assert get(api, url, accept_language="en-GB,fr;q=0.5").json()["message"] == "There is nothing at this address."
    assert get(api, url, accept_language="fr").json()["message"] == "Il n’y a rien à cette adresse."
    assert get(api, url + "?lang=en", accept_language="fr").json()["message"] == "There is nothing at this address."


def test_a_refused_question_keeps_the_status_of_its_error():
    found = get(create_api(fake_workspace(refused=("win_rate",))), "/kpi?kpi=win_rate&lang=en")

    assert found.status_code == 400
    assert found.json()["message"] == "win_rate cannot be answered."


def test_no_snapshot_is_503_and_not_an_empty_answer(monkeypatch):
    workspace = fake_workspace()

    def away():
        raise StoreError("There is no snapshot yet.", hint="Run `cadran sync`.")

    monkeypatch.setattr(workspace, "view", away)
    found = get(create_api(workspace), "/health?lang=en")

    assert found.status_code == 503
    assert found.json()["code"] == "StoreError"


def test_the_documentation_names_every_answer(api):
    found = get(api, "/openapi.json").json()

    assert {"/health", "/kpis", "/kpis/{name}", "/kpi", "/rows", "/attribution"} <= set(found["paths"])
    assert {"Answer", "Contract", "Health", "Problem", "RowsOut"} <= set(found["components"]["schemas"])
    names = {parameter["name"] for parameter in found["paths"]["/kpi"]["get"]["parameters"]}
    assert names == {
        "kpi",
        "by",
        "grain",
        "from",
        "to",
        "where",
        "as_of",
        "compare",
        "trailing",
        "lang",
        "constant_currency",
    }


def test_it_is_mounted_beside_the_pages(workspace, api):
    app = create_app(workspace, api=api)

    assert get(app, "/api/health").json()["status"] == "ok"
    assert get(app, "/api/nowhere").headers["content-type"] == "application/problem+json"
    assert get(create_app(workspace), "/api/health").status_code == 404


def test_an_expected_conversion_carries_its_curve_and_other_readings_none(api):
    asked = "grain=month&from=2026-09-01&to=2026-10-01"
    curve = get(api, f"/kpi?kpi=win_rate_expected&{asked}").json()["readings"][0]["curve"]
    assert curve["converted"] + curve["ended"] + curve["open"] == curve["n"]
    assert curve["points"][0]["at_risk"] == curve["n"]
    assert curve["points"][-1]["age"] == curve["horizon_days"] == 360
    assert get(api, f"/kpi?kpi=win_rate&{asked}").json()["readings"][0]["curve"] is None


def test_drivers_add_up_to_the_change(api):
    asked = "grain=month&from=2026-09-01&to=2026-10-01"
    found = get(api, f"/drivers?kpi=win_rate&by=segment&{asked}").json()
    assert found["method"] == "mix_rate"
    assert sum(Decimal(driver["contribution"]) for driver in found["drivers"]) == Decimal(found["change"])
    assert get(api, f"/drivers?kpi=win_rate&kpi=acv&{asked}").status_code == 400


def test_quality_has_the_score_of_each_team_and_freshness_each_stream(api):
    found = get(api, "/quality?lang=fr").json()
    assert found["teams"] == [{"team": "Paris", "n_checked": 40, "value": 0.95, "earlier": []}]
    assert found["findings"][0]["ids"] == ["hubspot:1", "hubspot:2"]
    assert get(api, "/freshness").json() == []
