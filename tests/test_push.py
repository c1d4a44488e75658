"""Actions become tasks of the CRM where a project asks for it: once each, whatever happens on the way."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from cadran.cli import main
from cadran.config import load_project
from cadran.errors import ConfigError
from cadran.jobs.deliver import Delivered, deliver, delivery_records
from cadran.jobs.push import push
from cadran.jobs.schedule import DELIVER, schedule_of
from cadran.jobs.start import init_project
from cadran.store.archive import open_archive
from hubspot_fake import TOKEN as HUBSPOT_TOKEN
from hubspot_fake import HubSpot, owner
from live import Clock, over
from pipedrive_fake import TOKEN as PIPEDRIVE_TOKEN
from pipedrive_fake import Pipedrive
from salesforce_org import SECRET, SalesforceOrg, described

NOW = datetime(2026, 7, 3, 8)
RECORDED = (
    Path(os.environ.get("CADRAN_SHARED", Path(__file__).parent.parent.parent / "shared")) / "contracts" / "salesforce"
)
TEXT, OWNER, DUE = "Rappeler dans l'heure", "Ana Roy", date(2026, 7, 10)


class Crm:
    """A stand-in with what each of its tasks says: subject, deadline, owner and what it is for."""

    def __init__(self, kind, fake, handle, settings, secrets):
        self.kind, self.fake, self.handle, self.settings, self.secrets = kind, fake, handle, settings, secrets

    def tasks(self):
        if self.kind == "hubspot":
            rows = [record["properties"] for record, _ in self.fake.objects.get("tasks", {}).values()]
            return [
                (r["hs_task_subject"], r["hs_timestamp"][:10], r.get("hubspot_owner_id"), r["hs_task_body"])
                for r in rows
            ]
        if self.kind == "pipedrive":
            rows = self.fake.lists.get("activities", [])
            return [(r["subject"], r["due_date"], str(r["owner_id"]), r["note"]) for r in rows]
        return self.fake.rows.execute("SELECT Subject, ActivityDate, OwnerId, Description FROM Task").fetchall()


def hubspot():
    fake = HubSpot(owners=[owner(7, "Ana", "Roy"), owner(8, "Bo", "Li")])
    return Crm("hubspot", fake, over(fake.answer), "", {"token": HUBSPOT_TOKEN})


def pipedrive():
    fake = Pipedrive()
    return Crm("pipedrive", fake, over(fake.answer), "", {"token": PIPEDRIVE_TOKEN})


def salesforce():
    if not RECORDED.is_dir():
        pytest.skip(f"the recorded descriptions of Salesforce are not on this machine: {RECORDED}")
    fake = SalesforceOrg(described(RECORDED))
    fake.put("User", Id="7", Name="Ana Roy", Email="ana@acme.example", IsActive=True)
    settings = 'domain = "https://acme.my.salesforce.com"\nclient_id = "the-app"'
    return Crm("salesforce", fake, fake, settings, {"client_secret": SECRET})


@pytest.fixture(params=[hubspot, pipedrive, salesforce])
def crm(request):
    return request.param()


@pytest.fixture
def project(tmp_path, crm, monkeypatch):
    init_project(tmp_path, name="Acme")
    with (tmp_path / "cadran.toml").open("a") as settings:
        settings.write(f'\n[connections.crm]\nkind = "{crm.kind}"\n{crm.settings}\n[actions]\npush = "crm"\n')
    for name, value in crm.secrets.items():
        monkeypatch.setenv(f"CADRAN_CRM_{name}".upper(), value)
    found = load_project(tmp_path)
    act(found)
    return found


def act(project, text=TEXT):
    """End an item of a review as an action; its number."""
    archive = open_archive(project)
    values = {
        "team": "sales",
        "start": DUE,
        "end": DUE,
        "prepared_at": NOW,
        "known_at": NOW,
        "snapshot": "s",
        "document": {},
    }
    archive.add_review(values, [{"kpi": "win_rate", "document": {}}])
    item = archive.reviews("sales")[-1]["items"][-1]["id"]
    return archive.act(item, {"text": text, "owner": OWNER, "due_on": DUE}, NOW)


def wire(handle):
    return Clock().wire(handle)


def test_an_action_is_a_task_once_with_its_owner_and_deadline(project, crm):
    assert push(project, clock=lambda: NOW, wire=wire(crm.handle)) == Delivered(1, 0, 0)
    ((subject, due, who, about),) = crm.tasks()
    assert subject.startswith(TEXT + " [cadran ")
    assert (due, who) == (str(DUE), "1" if crm.kind == "pipedrive" else "7")
    assert "win_rate" in about
    later = lambda: NOW + timedelta(days=1)  # noqa: E731
    assert push(project, clock=later, wire=wire(crm.handle)) == Delivered()
    act(project, "Autre chose")
    assert push(project, clock=later, wire=wire(crm.handle)) == Delivered(1, 0, 0)
    assert len(crm.tasks()) == 2
    # the outbox of messages leaves tasks alone, and lists them
    assert deliver(project, clock=later) == Delivered()
    assert [(row["route"], row["status"]) for row in delivery_records(project)] == [("crm:tasks", "sent")] * 2


@pytest.mark.parametrize("is_made", [True, False])
def test_an_attempt_without_an_answer_makes_no_second_task(project, crm, is_made):
    """The line goes dead after the CRM has made the task, or before."""
    lost = []

    def cut(request):
        is_write = request.method == "POST" and request.url.path.rpartition("/")[2] in ("tasks", "activities", "Task")
        if not is_write or lost:
            return crm.handle(request)
        lost.append(request)
        if is_made:
            crm.handle(request)
        raise httpx.ReadTimeout("no answer", request=request)

    assert push(project, clock=lambda: NOW, wire=wire(cut)) == Delivered(0, 1, 0)
    assert len(lost) == 1
    assert push(project, clock=lambda: NOW, wire=wire(cut)) == Delivered(), "not before its time"
    assert push(project, clock=lambda: NOW + timedelta(minutes=2), wire=wire(cut)) == Delivered(1, 0, 0)
    assert len(crm.tasks()) == 1


def test_a_process_that_is_killed_after_the_task_was_made_makes_no_second_one(project, crm):
    def killed(request):
        answer = crm.handle(request)
        if request.method == "POST" and request.url.path.rpartition("/")[2] in ("tasks", "activities", "Task"):
            raise SystemExit
        return answer

    with pytest.raises(SystemExit):
        push(project, clock=lambda: NOW, wire=wire(killed))
    assert push(project, clock=lambda: NOW, wire=wire(crm.handle)) == Delivered(), "it is claimed"
    assert push(project, clock=lambda: NOW + timedelta(minutes=6), wire=wire(crm.handle)) == Delivered(1, 0, 0)
    assert len(crm.tasks()) == 1


def test_what_ended_before_it_was_a_task_is_none(project, crm):
    def away(request):
        raise httpx.ConnectError("away", request=request)

    push(project, clock=lambda: NOW, wire=wire(away))
    (action,) = open_archive(project).actions(is_open=True)
    open_archive(project).finish(action["id"], NOW)
    push(project, clock=lambda: NOW + timedelta(hours=2), wire=wire(crm.handle))
    assert crm.tasks() == []
    assert [row["status"] for row in delivery_records(project)] == ["refused"]


def test_a_right_that_is_missing_keeps_the_task(project, crm):
    def refused(request):
        is_write = request.method == "POST" and request.url.path.rpartition("/")[2] in ("tasks", "activities", "Task")
        return httpx.Response(403, json={"message": "missing scope"}) if is_write else crm.handle(request)

    assert push(project, clock=lambda: NOW, wire=wire(refused)).n_later == 1
    assert "missing scope" in delivery_records(project)[0]["reason"]
    assert push(project, clock=lambda: NOW + timedelta(hours=2), wire=wire(crm.handle)).n_sent == 1


@pytest.mark.parametrize("crm", [hubspot], indirect=True)
class TestSetting:
    @pytest.fixture
    def crm(self, request):
        return request.param()

    def test_nothing_is_pushed_unless_it_is_asked(self, project, crm):
        path = project.root / "cadran.toml"
        path.write_text(path.read_text().replace('push = "crm"', ""))
        assert push(load_project(project.root), clock=lambda: NOW, wire=wire(crm.handle)) == Delivered()
        assert crm.fake.asked == []
        done = CliRunner().invoke(main, ["actions", "--push", "--project", str(project.root), "--lang", "fr"])
        assert "Aucune connexion ne prend de tâches" in done.stderr

    def test_a_server_pushes_at_the_times_of_deliveries(self, project):
        assert schedule_of(project)["deliver"] == DELIVER

    def test_a_connection_that_only_reads_is_refused(self, project):
        path = project.root / "cadran.toml"
        path.write_text(path.read_text() + '[connections.ga4]\nproperty = "123"\n')
        path.write_text(path.read_text().replace('push = "crm"', 'push = "ga4"'))
        with pytest.raises(ConfigError, match="ga4") as refused:
            push(load_project(project.root), clock=lambda: NOW)
        assert refused.value.params["known"] == "crm"
