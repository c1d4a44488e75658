"""The sample company: the same bytes for a seed, true to what it says it planted, and like a real one."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from datetime import date

import pytest

from cadran.config import load_project
from cadran.sources.demo import write_company


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    return folder, write_company(folder)


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(company, tmp_path):
    folder, truths = company
    assert write_company(tmp_path) == truths
    assert digest(tmp_path) == digest(folder)


def test_another_seed_gives_another_company(company, tmp_path):
    folder, truths = company
    assert write_company(tmp_path, seed=8).deals != truths.deals
    assert digest(tmp_path) != digest(folder)


def test_its_settings_can_be_read(company):
    folder, _ = company
    project = load_project(folder)
    assert (project.company, project.currency, project.zone.key) == ("Lisière Logiciels", "EUR", "Europe/Paris")
