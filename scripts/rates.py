"""Bring the reference rates that come with Cadran up to date from the European Central Bank's own file.

    python scripts/rates.py eurofxref-hist.zip

The file is published at https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip. What it holds is kept as it is,
packed smaller. The ECB lets anyone use its statistics free of charge as long as the source is named.
"""

from __future__ import annotations

import lzma
import sys
import zipfile
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src" / "cadran" / "canonical" / "data" / "ecb_rates.csv.xz"
#: What the first line of the file starts with.
HEAD = b"Date,USD,JPY,"


def main(path: Path) -> int:
    """Pack the rates of one file; how the process ends."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            text = packed.read(packed.namelist()[0])
    else:
        text = path.read_bytes()
    if not text.startswith(HEAD):
        print(f"{path} is not the ECB's file of rates: it does not start with {HEAD.decode()}")
        return 1
    TARGET.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    lines = text.decode().splitlines()
    print(f"{len(lines) - 1} days up to {lines[1].partition(',')[0]}, {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
