"""Write holidays.json: the public holidays of each Land, as both ends of a message judge them.

`python tests/vectors/make_holidays.py` derives the file from the `holidays` package; a test fails
when the committed file is not what this module derives. As data it is the same at every gateway,
whichever release of the package is about, and costs no memory there.
"""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from holidays import country_holidays

import meldeweg.kernel

FILE = Path(meldeweg.kernel.__file__).parent / "holidays.json"
YEARS = range(2020, 2061)
LAENDER = [
    "BB",
    "BE",
    "BW",
    "BY",
    "HB",
    "HE",
    "HH",
    "MV",
    "NI",
    "NW",
    "RP",
    "SH",
    "SL",
    "SN",
    "ST",
    "TH",
]


def build() -> dict[str, Any]:
    """Return `{land: {year: [month-day, …]}}`."""
    return {
        land: {
            str(year): [day.strftime("%m-%d") for day in days]
            for year, days in groupby(
                sorted(country_holidays("DE", subdiv=land, years=YEARS)), lambda day: day.year
            )
        }
        for land in LAENDER
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), separators=(",", ":")).replace("},", "},\n") + "\n")
