"""Connections from the terminal: made, checked and followed, in French and in English, without showing a secret."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from cadran.canonical.mapping import shipped_mappings
from cadran.cli import main
from cadran.config import load_project
from cadran.errors import ConfigError
from cadran.jobs.check import check_project
from cadran.jobs.connect import read_connection
from cadran.jobs.connections import check_connections, connections, freshness, keep_secret, shapes, write_connection
from cadran.jobs.start import init_project
from hubspot_fake import TOKEN
from live import START, Clock, over
from test_connect_hubspot import portal


@pytest.fixture
def project(tmp_path):
    init_project(tmp_path)
    return load_project(tmp_path)


def run(project, *words, given=""):
    return CliRunner().invoke(main, ["connect", *words, "--project", str(project.root)], input=given)


def test_a_connection_is_made_and_told_where_its_secret_goes(project):
    found = run(project, "hubspot", "--lang", "en")
    assert found.exit_code == 0, found.output
    assert "CADRAN_HUBSPOT_TOKEN" in found.output
    assert "crm.objects.deals.read" in found.output
    assert '[connections.hubspot]\nkind = "hubspot"' in (project.root / "cadran.toml").read_text()
    (connection,) = connections(load_project(project.root))
    assert (connection.name, connection.kind.title) == ("hubspot", "HubSpot")


def test_its_kind_is_asked_when_its_name_does_not_say_it(project):
    found = run(project, "crm", "--lang", "fr", given="pipedrive\n")
    assert found.exit_code == 0, found.output
    assert "Quel type de système" in found.output
    assert connections(load_project(project.root))[0].kind.name == "pipedrive"


def test_a_second_one_of_the_same_name_and_a_wrong_setting_are_refused_and_write_nothing(project):
    run(project, "hubspot")
    before = (project.root / "cadran.toml").read_text()
    assert run(project, "hubspot").exit_code == 2
    assert run(project, "other", "--kind", "hubspot", "--set", "version=soon").exit_code == 2
    with pytest.raises(ConfigError):
        write_connection(project, "bad", "hubspot", {"token": "pat-eu1-secret"})
    assert (project.root / "cadran.toml").read_text() == before


def test_a_secret_may_be_kept_in_a_keyring(project, monkeypatch):
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1
        kept = {}  # noqa: RUF012

        def get_password(self, service, username):
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

        def delete_password(self, service, username):
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        found = run(project, "hubspot", "--keyring", given=f"{TOKEN}\n")
        assert found.exit_code == 0, found.output
        (connection,) = connections(load_project(project.root))
        assert connection.places["token"].get().reveal() == TOKEN
        keep_secret("hubspot", "token", "another")
        assert connection.places["token"].get().reveal() == "another"
    finally:
        keyring.set_keyring(before)
    files = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    assert TOKEN not in found.output
    assert not any(TOKEN.encode() in data for data in files)


def test_a_check_names_the_missing_secret_and_fails(project):
    run(project, "hubspot")
    found = run(project, "check", "--format", "json")
    assert found.exit_code == 3
    (told,) = json.loads(found.stdout)
    assert (told["state"], told["told"]) == ("lacks a secret", "env:CADRAN_HUBSPOT_TOKEN")
    assert run(project, "check", "nobody").exit_code == 2


def test_a_live_check_tells_shapes_and_no_value(project, monkeypatch):
    run(project, "hubspot")
    monkeypatch.setenv("CADRAN_HUBSPOT_TOKEN", TOKEN)
    crm = portal()
    crm.lacks = {"leads"}
    found = check_connections(
        load_project(project.root), shipped_mappings(), live=True, wire=Clock().wire(over(crm.answer))
    )
    told = {each.stream: each for each in found}
    assert (told["deals"].state, told["deals"].records) == ("answers", 3)
    assert told["deals"].columns["dealname"] == ("text", 1.0)
    assert told["deals"].columns["closedate"][0] == "time"
    assert told["contacts"].columns["email"][0] == "mail address"
    assert (told["leads"].state, told["tasks"].state) == ("refused", "not mapped")
    text = json.dumps([each.as_record() for each in found])
    assert not [value for value in (TOKEN, "Deal 301", "zoe@", "Acme", "Roy") if value in text]


def test_shapes_count_what_is_filled():
    records = [
        {"a": "1", "b": None, "c": True},
        {"a": "2.5", "b": "", "c": False},
        {"a": "", "b": None, "c": True, "d": [1]},
    ]
    assert shapes(records) == {
        "a": ("number", 2 / 3),
        "b": ("nothing", 0.0),
        "c": ("true or false", 1.0),
        "d": ("list", 1 / 3),
    }


def test_freshness_tells_until_when_and_what_it_took(project, monkeypatch):
    run(project, "hubspot")
    monkeypatch.setenv("CADRAN_HUBSPOT_TOKEN", TOKEN)
    settings = load_project(project.root)
    read_connection(settings, connections(settings)[0], shipped_mappings(), Clock().wire(over(portal().answer)))
    told = {each["stream"]: each for each in freshness(settings, (START + timedelta(hours=5)).replace(tzinfo=None))}
    assert (told["deals"]["hours"], told["deals"]["landed"], told["deals"]["requests"] > 0) == (5.0, 4, True)
    shown = run(project, "status", "--lang", "fr")
    assert shown.exit_code == 0, shown.output
    assert "deals" in shown.output
    assert "Requêtes" in shown.output


def test_a_check_of_the_project_tells_a_wrong_connection_with_its_line(project):
    settings = project.root / "cadran.toml"
    before = settings.read_text()
    settings.write_text(before + "\n[connections.crm]\nkind = 'hubspo'\n")
    (told,) = [issue for issue in check_project(project.root) if issue.code == "bad_connection"]
    assert (told.params["near"], told.where.startswith("cadran.toml:")) == ("hubspot", True)
    settings.write_text(before + "\n[connections.hubspot]\n")
    assert [issue.code for issue in check_project(project.root) if "connection" in issue.code] == ["unread_connection"]
