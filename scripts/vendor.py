"""Fetch the pinned front-end packages again and write the files that the cockpit ships.

Run it with a Python that has ``fonttools`` and ``brotli``, and npm on the PATH::

    python scripts/vendor.py

It writes ``static/vendor``, ``static/licenses`` and ``vendored.json`` (name, version, licence and
SHA-256 of every file). Nothing is fetched at run time; a test compares the hashes.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

STATIC = Path(__file__).parents[1] / "src/cadran/web/static"

#: Version, licence as SPDX, and the package's licence text.
PACKAGES = {
    "htmx.org": ("4.0.1", "0BSD", "LICENSE"),
    # Inter comes from its author's package: the subsets of @fontsource-variable/inter lack the
    # narrow no-break space of French numbers, and arrows and ≥.
    "inter-ui": ("4.1.1", "OFL-1.1", "LICENSE.txt"),
    "@tabler/icons": ("3.52.0", "MIT", "LICENSE"),
}

#: Latin, punctuation, spaces, arrows, currency signs and the few mathematical signs used in numbers.
UNICODES = (
    "U+0020-007E,U+00A0-017F,U+02C6,U+02DA,U+02DC,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+202F,"
    "U+2030,U+2039-203A,U+20AC,U+20A4,U+2116,U+2122,U+2190-2193,U+2196-2199,U+2212,U+2248,U+2260,"
    "U+2264-2265,U+03C3,U+00D7,U+2713"
)

#: The cockpit's name of each icon, and Tabler's.
ICONS = {
    "cockpit": "brand-speedtest",
    "catalogue": "book",
    "quality": "shield-check",
    "moon": "moon",
    "sun": "sun",
    "on_track": "circle-check",
    "watch": "alert-triangle",
    "off_track": "alert-circle",
    "cannot_tell": "wave-sine",
    "none": "circle-dashed",
    "up": "arrow-up-right",
    "down": "arrow-down-right",
    "flat": "arrow-right",
    "left": "chevron-left",
    "right": "chevron-right",
    "clock": "clock",
    "user": "user",
    "target": "target",
    "lock": "certificate",
    "cards": "layout-grid",
    "table": "table",
    "info": "info-circle",
    "partial": "progress",
}


def main() -> None:
    """Fetch, cut down and write everything."""
    (STATIC / "vendor").mkdir(parents=True, exist_ok=True)
    (STATIC / "licenses").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        roots = {name: fetch(name, work) for name in PACKAGES}
        shipped = {
            "htmx.org": [copy(roots["htmx.org"] / "dist/htmx.min.js", "vendor/htmx.min.js")],
            "inter-ui": [
                subset(roots["inter-ui"] / "variable/InterVariable.woff2", "vendor/inter.woff2"),
                *(instance("vendor/inter.woff2", weight) for weight in (400, 600)),
            ],
            "@tabler/icons": [icons(roots["@tabler/icons"] / "icons/outline", "vendor/icons.json")],
        }
        for name, (_, _, text) in PACKAGES.items():
            target = f"licenses/{name.strip('@').replace('/', '-')}.txt"
            shipped[name].append(copy(roots[name] / text, target))
    entries = [
        {"name": name, "version": version, "licence": licence, "files": {file: sha256(file) for file in shipped[name]}}
        for name, (version, licence, _) in PACKAGES.items()
    ]
    (STATIC / "vendored.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(entries, indent=2))


def fetch(name: str, work: Path) -> Path:
    """The unpacked folder of a package at its pinned version."""
    version = PACKAGES[name][0]
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{version}"], cwd=work, check=True, capture_output=True, text=True
    )
    target = work / name.replace("/", "-")
    with tarfile.open(work / packed.stdout.strip().splitlines()[-1]) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def copy(source: Path, target: str) -> str:
    """The target's name, after the file was copied there without a map it would look for."""
    text = re.sub(r"\n?//# sourceMappingURL=.*\s*$", "\n", source.read_text(encoding="utf-8"))
    (STATIC / target).write_text(text, encoding="utf-8")
    return target


def subset(source: Path, target: str) -> str:
    """The target's name, after the font was cut to the characters that the cockpit writes."""
    options = [
        f"--unicodes={UNICODES}",
        "--flavor=woff2",
        "--layout-features=kern,liga,calt,tnum,ccmp,locl,mark,mkmk",
        "--no-recalc-timestamp",
        f"--output-file={STATIC / target}",
    ]
    subprocess.run([sys.executable, "-m", "fontTools.subset", str(source), *options], check=True)
    return target


def instance(source: str, weight: int) -> str:
    """The name of a font of one weight, for images: what draws them cannot read a variable font by its name."""
    target = f"vendor/inter-{weight}.ttf"
    font = instantiateVariableFont(TTFont(STATIC / source, recalcTimestamp=False), {"wght": weight, "opsz": 14})
    font.flavor = None
    for record in font["name"].names:
        record.string = {1: "Inter", 2: "Regular", 4: "Inter", 16: "Inter", 17: "Regular"}.get(
            record.nameID, str(record)
        )
    font["OS/2"].usWeightClass = weight
    font.save(STATIC / target)
    return target


def icons(folder: Path, target: str) -> str:
    """The target's name, after the paths of the icons used were gathered in one file."""
    found = {name: paths((folder / f"{file}.svg").read_text(encoding="utf-8")) for name, file in ICONS.items()}
    (STATIC / target).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return target


def paths(svg: str) -> str:
    """The drawing inside an icon's SVG, on one line."""
    inside = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    if inside is None:
        raise SystemExit(f"Not an icon: {svg[:80]}")
    return " ".join(inside.group(1).split())


def sha256(file: str) -> str:
    """SHA-256 of a shipped file, in hexadecimal."""
    return hashlib.sha256((STATIC / file).read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
