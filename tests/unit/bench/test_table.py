"""What a run of `make bench` says of itself: aims, a loaded machine, the page."""

import pytest

from bench import orders, table
from bench.figures import Aim, Figures
from bench.orders import FULL, QUICK, Machine


def machine(load=0.0, cores=2):
    return Machine("2026-11-22T18:00", "Linux", "erfunden", cores, (load, load, load), {"x": "1"})


@pytest.fixture
def figures():
    found = Figures()
    found.add("c", "intake", 4.0, "times", Aim(5))
    found.add("e", "slow", 61.0, "ms", Aim(60))
    found.add("f", "audit", 15_000, "/s", Aim(15_000, most=False))
    found.add("a", "bare", 7_000, "/s")
    return found


def test_an_aim_is_met_from_its_own_side_only(figures):
    said = {each.name: table.verdict(each, machine()) for each in figures}
    assert said == {"intake": "met", "slow": "missed", "audit": "met", "bare": ""}


def test_on_a_loaded_machine_no_aim_is_called_met_or_missed(figures):
    assert not machine(load=0.5).loaded
    loaded = machine(load=0.51)
    assert loaded.loaded
    assert {table.verdict(each, loaded) for each in figures} == {"loaded", ""}


def test_an_aim_is_not_judged_by_a_figure_of_another_size(figures):
    figures.add("g", "page", 3.0, "ms", Aim(50), judged=False)
    figures.add("g", "other page", 300.0, "ms", Aim(50), judged=False)
    small = [each for each in figures if each.letter == "g"]
    assert [table.verdict(each, machine()) for each in small] == ["not judged"] * 2
    assert [each.as_json()["met"] for each in small] == [None, None]


def test_the_page_is_changed_between_its_marks_alone(figures, tmp_path):
    page = tmp_path / "performance.md"
    begin, end = table.BEGIN, table.END
    page.write_text(f"# before\n\n{begin}\nold\n{end}\n\nafter\n")
    table.write_page(page, FULL, machine(), figures)
    once = page.read_text()
    assert once.startswith(f"# before\n\n{begin}\n")
    assert once.endswith(f"\n{end}\n\nafter\n")
    assert "old" not in once
    assert "| e | slow | 61 ms | ≤ 60 ms | missed |  |" in once
    table.write_page(page, FULL, machine(), figures)
    assert page.read_text() == once


def test_a_page_without_its_marks_is_not_overwritten(figures, tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# a page of somebody else's")
    with pytest.raises(ValueError, match="marks"):
        table.write_page(page, FULL, machine(), figures)
    assert page.read_text() == "# a page of somebody else's"


def test_a_ratio_needs_both_of_its_figures(figures):
    figures.ratio("d", "of nothing", 3.0, None)
    figures.ratio("d", "of both", 3.0, 2.0)
    assert figures.value("d", "of nothing") is None
    assert figures.value("d", "of both") == 1.5


def test_orders_are_read_from_the_environment_or_refused():
    assert orders.read({}) == FULL
    assert orders.read({"QUICK": "1"}) == QUICK
    asked = orders.read({"ONLY": "c,d", "MESSAGES": "1000000"})
    assert (asked.only, asked.messages) == (frozenset("cd"), 1_000_000)
    for wrong in ({"ONLY": "x"}, {"ROWS": "many"}, {"ENTRIES": "1"}):
        with pytest.raises(ValueError, match=r"."):
            orders.read(wrong)
