"""Exit codes, and the command of doctor: what is wrong, means and mends it."""

import json
import tomllib

import pytest

from meldeweg.doctor.catalogue import catalogue
from meldeweg.kernel import keyfile


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("registry", "plan"), 2),
        (("registry", "plan", "--dir", "/nowhere"), 3),
        (("registry", "plan", "--url", "http://127.0.0.1:1", "--token-file", "TOKEN"), 3),
        (("registry", "plan", "--url", "nonsense", "--token-file", "TOKEN"), 3),
        (("registry", "suspend", "x", "--reason", "y", "--dir", "/nowhere"), 3),
        (("registry", "suspend", "x", "--dir", "/nowhere"), 2),
        (("agency", "list", "--dir", "/nowhere", "--json"), 3),
        (("agreement", "list", "--dir", "/nowhere"), 3),
        (("audit", "export", "/tmp/x", "--dir", "/nowhere"), 3),
        (("audit", "open", "--key", "/nowhere", "--dir", "/nowhere"), 3),
        (("audit", "open", "1", "--key", "/nowhere", "--dir", "STACK"), 1),
        (("audit", "export", "STACK", "--dir", "STACK"), 1),
        (("audit", "verify", "/nowhere", "--json"), None),
        (("doctor",), 2),
        (("doctor", "--dir", "/nowhere"), 3),
        (("doctor", "nothing"), 2),
    ],
)
def test_exit_codes_are_those_of_the_api(run, tmp_path, command, code):
    (tmp_path / "token").write_text("x\n")
    audit = {"services": {"audit": {"url": "http://127.0.0.1:1", "token": "x"}}}
    (tmp_path / "stack.json").write_text(json.dumps(audit))
    named = {"TOKEN": tmp_path / "token", "STACK": tmp_path}
    command = [named.get(each, each) for each in command]
    assert run(*command)[0] == code or (code is None and run(*command)[0] in (1, 3))


def test_doctor_says_what_is_wrong_means_and_mends_it(run):
    code, out, _ = run("doctor", "--dir", "/nowhere")
    assert code == 3
    entry = catalogue()["stack-not-running"]
    for text in (entry.meaning, entry.fix, entry.meaning_en, entry.fix_en):
        assert text in out
    assert out.index(entry.meaning) < out.index(entry.meaning_en), "German first"
    (found,) = json.loads(run("doctor", "--dir", "/nowhere", "--json")[1])["findings"]
    assert found["code"] == "stack-not-running"


def test_doctor_names_a_wrong_setting(run, monkeypatch):
    monkeypatch.setenv("MELDEWEG_AGENCI", "polizei-viersen")
    code, out, _ = run("doctor", "gateway", "--json")
    assert code == 10
    (found,) = json.loads(out)["findings"]
    assert found["code"] == "setting-wrong"
    assert "MELDEWEG_AGENCI" in found["detail"]


def test_doctor_examines_a_service_by_its_settings(run, tmp_path, monkeypatch, places):
    from meldeweg.local.pki import DemoPki

    own = DemoPki(tmp_path / "pki").gateway("polizei-viersen")
    settings = {
        "mode": "demo", "agency": "polizei-viersen", "store": str(tmp_path / "gone"),
        "keys": str(places.keys("polizei-viersen")), "anchor": str(places.anchor),
        "kafka": {"bootstrap": "127.0.0.1:1", "ca": str(own.ca), "cert": str(own.cert),
                  "key": str(own.key)},
        "audit": {"url": "http://127.0.0.1:1"},
    }  # fmt: skip
    lines = [f"{k} = {json.dumps(v)}" for k, v in settings.items() if isinstance(v, str)]
    for table in ("kafka", "audit"):
        lines += [f"[{table}]", *(f"{k} = {json.dumps(v)}" for k, v in settings[table].items())]
    (tmp_path / "gateway.toml").write_text("\n".join(lines))
    assert tomllib.loads("\n".join(lines)) == settings
    monkeypatch.setenv("MELDEWEG_CONFIG", str(tmp_path / "gateway.toml"))
    code, out, _ = run("doctor", "gateway", "--json")
    found = {each["code"] for each in json.loads(out)["findings"]}
    assert {"store-not-writable", "broker-unreachable"} <= found
    assert code == 3
    assert keyfile.read_public_key(places.anchor)
