"""District files: found by name or path, and refused with where they are wrong."""

from pathlib import Path

import pytest

from districts import VIERSEN
from meldeweg.kernel import agreement
from meldeweg.kernel.errors import Fatal

ROOT = Path(__file__).parents[3]


def test_a_district_is_found_by_name_or_path(tmp_path):
    source = ROOT / "deploy" / "districts" / "kreis-viersen.toml"
    copy = tmp_path / "mein-kreis.toml"
    copy.write_bytes(source.read_bytes())
    assert agreement.load_district(copy) == agreement.load_district(VIERSEN)
    assert agreement.load_district(str(copy)) == agreement.load_district(VIERSEN)


@pytest.mark.parametrize("name", ["kreis-nirgendwo", "../districts/kreis-viersen", "", "."])
def test_an_unknown_district_names_those_that_are_there(name):
    with pytest.raises(Fatal, match=r"district-unknown: .*kreis-viersen, rhein-erft-kreis"):
        agreement.load_district(name)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('id = "kreis-viersen"', "id = ", "Invalid value"),
        ("keep_months = 6", "keep_months = 6.5", "keep_months: int_type"),
        ("keep_months = 6", "keep_months = 12:00:00", "keep_months: int_type"),
        ("run_off_days = 240", "run_off_days = 10", "run-off ends before"),
        ("keep_months = 6", "keep_months = 6\nkeep_year = 1", "extra_forbidden"),
    ],
)
def test_a_malformed_district_file_says_where(tmp_path, old, new, why):
    text = (ROOT / "deploy" / "districts" / "kreis-viersen.toml").read_text()
    assert old in text
    path = tmp_path / "kreis.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(Fatal, match="district-malformed") as info:
        agreement.load_district(path)
    assert why in str(info.value)


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(Fatal, match="district-malformed"):
        agreement.load_district(tmp_path / "fehlt.toml")


def test_a_wheel_carries_the_districts_where_they_are_looked_for():
    import tomllib

    from meldeweg.kernel.agreement import district

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    package = ROOT / "services" / "meldeweg"
    inside = district._ROOTS[0].relative_to(package)
    assert included["deploy"] == f"meldeweg/{inside.parent}"
