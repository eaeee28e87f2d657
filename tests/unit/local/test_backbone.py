"""Which kind of backbone there is stands in one variable, and a wrong one is not passed over."""

import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.local.backbone import KIND_VARIABLE, Backbone
from meldeweg.local.broker import Broker


@pytest.mark.parametrize("kind", ["container", "Containers", "bogus", " "])
def test_a_kind_that_there_is_not_is_refused_by_name(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(KIND_VARIABLE, kind)
    with pytest.raises(Fatal) as fatal:
        Backbone(tmp_path)
    assert fatal.value.code == "setting-invalid"
    assert KIND_VARIABLE in str(fatal.value)


@pytest.mark.parametrize("kind", ["", "processes"])
def test_processes_are_the_default(tmp_path, monkeypatch, kind):
    monkeypatch.setenv(KIND_VARIABLE, kind)
    assert isinstance(Backbone(tmp_path).broker, Broker)


@pytest.mark.parametrize("variable", ["MELDEWEG_LOCALS", "MELDEWEG_STORE"])
def test_a_variable_that_has_no_effect_here_is_refused_by_name(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "containers")
    with pytest.raises(Fatal) as fatal:
        Backbone(tmp_path)
    assert fatal.value.code == "setting-without-effect"
    assert fatal.value.detail == variable
