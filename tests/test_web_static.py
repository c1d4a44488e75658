import hashlib
import json
import re

import pytest

from cadran.web import render
from cadran.web.app import create_app
from cadran.web.render import STATIC, asset, split_unit
from cockpit import fake_workspace, get

VENDORED = json.loads((STATIC / "vendored.json").read_text(encoding="utf-8"))
FILES = [(name, digest) for package in VENDORED for name, digest in package["files"].items()]


@pytest.mark.parametrize(("name", "digest"), FILES)
def test_a_vendored_file_is_as_it_was_fetched(name, digest):
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_every_vendored_file_is_listed_with_its_licence():
    listed = {name for name, _ in FILES}
    shipped = {
        str(path.relative_to(STATIC)) for folder in ("vendor", "licenses") for path in (STATIC / folder).iterdir()
    }

    assert shipped == listed
    assert all(any(name.startswith("licenses/") for name in package["files"]) for package in VENDORED)


def test_nothing_that_is_shipped_points_at_another_host():
    for name in ("cadran.css", "cadran.js"):
        assert not re.search(r"https?://|@import", (STATIC / name).read_text(encoding="utf-8"))


def test_the_icons_are_the_ones_used_and_no_others():
    source = "".join(path.read_text(encoding="utf-8") for path in (STATIC.parent / "templates").iterdir())
    source += "".join(path.read_text(encoding="utf-8") for path in STATIC.parent.glob("*.py"))
    icons = json.loads((STATIC / "vendor/icons.json").read_text(encoding="utf-8"))

    assert [name for name in icons if f'"{name}"' not in source] == []


def test_a_file_asked_for_with_its_hash_may_be_kept_for_ever():
    app = create_app(fake_workspace())

    assert get(app, asset("cadran.css")).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get(app, "/static/cadran.css").headers["cache-control"] == "no-cache"
    assert get(app, "/static/../app.py").status_code == 404


def test_a_first_visit_is_light_enough_for_a_slow_line():
    sizes = [
        len(get(create_app(fake_workspace()), f"/static/{name}", accept_encoding="identity").content)
        for name in ("cadran.js",)
    ]
    font = (STATIC / "vendor/inter.woff2").stat().st_size

    assert font + sum(sizes) < 90_000


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("27,4\u00a0%", ("27,4", "\u00a0%")),
        ("27.4%", ("27.4", "%")),
        ("3,1×", ("3,1", "×")),
        ("€1.23M", ("€1.23M", "")),
        ("41,3\u00a0k€", ("41,3", "\u00a0k€")),
        ("CHF\u00a025k", ("CHF\u00a025k", "")),
    ],
)
def test_a_unit_is_set_apart_from_its_number(text, parts):
    assert split_unit(text) == parts


def test_a_template_that_misspells_a_name_fails():
    template = render.environment().from_string("{{ nothing_of_that_name }}")

    with pytest.raises(Exception, match="nothing_of_that_name"):
        template.render()


def test_every_sentence_of_the_pages_has_its_french():
    templates = "".join(path.read_text(encoding="utf-8") for path in (STATIC.parent / "templates").iterdir())
    sources = "".join(
        path.read_text(encoding="utf-8")
        for room in ("web", "charts", "api")
        for path in (STATIC.parents[1] / room).glob("*.py")
    )
    said = set(re.findall(r'\bt\(\s*"([^"]+)"', templates)) | set(re.findall(r'\bsay\(\s*"([^"]+)"', sources))

    assert said - set(render.i18n._catalogue("fr")) == set()
