"""A wrong setting stops the process with its name, never with its value."""

from pathlib import Path

import pytest
from pydantic import Field

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import (
    Group,
    KafkaSettings,
    Mode,
    Settings,
    describe,
    load,
    naming,
    read_secret,
    seam,
)

SECRET = "hunter2-must-not-appear"


class Limits(Group):
    bytes: int = Field(default=10, description="most bytes")
    seconds: float = Field(default=1.0, gt=0, description="most seconds")


class Example(Settings):
    kafka: KafkaSettings = Field(description="the broker")
    limits: Limits | None = Field(default=None, description="limits, if any")
    retries: int = Field(default=3, description="attempts")
    pretend: bool = seam(False, "pretends")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    import os

    for name in os.environ:
        if name.startswith("MELDEWEG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MELDEWEG_KAFKA__BOOTSTRAP", "some-host:9092")
    for name in ("CA", "CERT", "KEY"):
        monkeypatch.setenv(f"MELDEWEG_KAFKA__{name}", f"some-{name}")
    for name in ("CERT", "KEY"):  # production serves TLS, or says that a proxy does
        monkeypatch.setenv(f"MELDEWEG_HTTP__{name}", f"some-{name}")


@pytest.fixture
def toml(tmp_path, monkeypatch):
    def write(text):
        file = tmp_path / "service.toml"
        file.write_text(text)
        monkeypatch.setenv("MELDEWEG_CONFIG", str(file))

    return write


def refusal(cls=Example):
    with pytest.raises(Fatal) as fatal:
        load(cls)
    shown = f"{fatal.value} {fatal.value.__cause__} {fatal.value.__context__}"
    assert SECRET not in shown
    return fatal.value.code, fatal.value.detail


def test_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch, toml):
    toml('retries = 5\n[kafka]\nbootstrap = "file:9092"\n[limits]\nbytes = 7\n')
    settings = load(Example)
    assert (settings.retries, settings.kafka.bootstrap) == (5, "some-host:9092")
    assert settings.limits == Limits(bytes=7)
    monkeypatch.setenv("MELDEWEG_RETRIES", "6")
    assert load(Example).retries == 6


def test_production_is_the_default():
    assert load(Example).mode is Mode.PRODUCTION


def test_an_unknown_variable_is_named_with_what_was_probably_meant(monkeypatch):
    monkeypatch.setenv("MELDEWEG_RETRYS", SECRET)
    assert refusal() == (
        "setting-unknown",
        "MELDEWEG_RETRYS; did you mean MELDEWEG_RETRIES?",
    )


def test_an_unknown_variable_of_a_group_is_named(monkeypatch):
    monkeypatch.setenv("MELDEWEG_KAFKA__BOOTSTRAPS", SECRET)
    assert refusal()[0] == "setting-unknown"


def test_a_whole_group_in_one_variable_is_unknown(monkeypatch):
    monkeypatch.setenv("MELDEWEG_LIMITS", '{"bytes": 1}')
    assert refusal()[0] == "setting-unknown"


def test_variables_of_the_command_line_are_no_settings(monkeypatch):
    monkeypatch.setenv("MELDEWEG_DIR", "somewhere")
    load(Example)


@pytest.mark.parametrize("text", [f'retrys = "{SECRET}"', f'[kafka]\nbootstraps = "{SECRET}"'])
def test_an_unknown_key_of_the_file_is_named(toml, text):
    toml(text)
    code, detail = refusal()
    assert code == "setting-unknown"
    assert detail in ("retrys (MELDEWEG_RETRYS)", "kafka.bootstraps (MELDEWEG_KAFKA__BOOTSTRAPS)")


def test_a_missing_setting_is_named_for_file_and_environment(monkeypatch):
    monkeypatch.delenv("MELDEWEG_KAFKA__CA")
    assert refusal() == ("setting-missing", "kafka.ca (MELDEWEG_KAFKA__CA)")


def test_what_is_missing_does_not_hide_what_is_misspelt(monkeypatch, toml):
    monkeypatch.delenv("MELDEWEG_KAFKA__CA")
    monkeypatch.setenv("MELDEWEG_RETRIES", SECRET)
    toml(f'[kafka]\nac = "{SECRET}"\n')
    code, detail = refusal()
    assert code == "setting-unknown"
    assert detail.startswith("kafka.ac (MELDEWEG_KAFKA__AC); setting-invalid: retries (")
    assert detail.endswith("; setting-missing: kafka.ca (MELDEWEG_KAFKA__CA)")


def test_a_malformed_setting_is_named_without_its_value(monkeypatch):
    monkeypatch.setenv("MELDEWEG_RETRIES", SECRET)
    code, detail = refusal()
    assert code == "setting-invalid"
    assert detail.startswith("retries (MELDEWEG_RETRIES): ")


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_a_number_without_end_is_no_setting(monkeypatch, value):
    monkeypatch.setenv("MELDEWEG_CLOCK_OFFSET", value)
    code, detail = refusal()
    assert (code, "clock_offset" in detail) == ("setting-invalid", True)


@pytest.mark.parametrize("value", ["inf", "1e400"])
def test_a_number_without_end_is_no_setting_of_a_group(monkeypatch, value):
    monkeypatch.setenv("MELDEWEG_LIMITS__SECONDS", value)
    code, detail = refusal()
    assert (code, "limits.seconds" in detail) == ("setting-invalid", True)


@pytest.mark.parametrize("text", ["clock_offset = nan", "[limits]\nseconds = inf"])
def test_nor_in_the_file(toml, text):
    toml(text)
    assert refusal()[0] == "setting-invalid"


@pytest.mark.parametrize("text", ["retries = ", f"retries = {SECRET}", "\xff"])
def test_a_file_that_is_not_toml_is_refused_without_its_text(toml, text):
    toml(text)
    assert refusal()[0] == "setting-file-unreadable"


def test_a_file_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("MELDEWEG_CONFIG", "/nowhere/service.toml")
    assert refusal() == ("setting-file-unreadable", "MELDEWEG_CONFIG=/nowhere/service.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [("FAILPOINTS", "outbox.sent=kill"), ("CLOCK_OFFSET", "86400"), ("PRETEND", "true")],
)
def test_a_seam_is_refused_in_production_and_allowed_in_a_demo(monkeypatch, name, value):
    monkeypatch.setenv(f"MELDEWEG_{name}", value)
    assert refusal() == ("setting-seam-in-production", f"{name.lower()} needs mode = demo")
    monkeypatch.setenv("MELDEWEG_MODE", "demo")
    load(Example)


def test_settings_can_not_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        load(Example).retries = 9


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_http_beyond_loopback_needs_tls_or_says_that_a_proxy_ends_it(host, monkeypatch):
    monkeypatch.setenv("MELDEWEG_HTTP__HOST", host)
    assert load(Example).http.cert is not None
    for name in ("CERT", "KEY"):
        monkeypatch.delenv(f"MELDEWEG_HTTP__{name}")
    for mode in Mode:
        monkeypatch.setenv("MELDEWEG_MODE", mode)
        assert refusal()[0] == "setting-http-plain"
    monkeypatch.setenv("MELDEWEG_HTTP__PLAIN", "true")
    load(Example)


@pytest.mark.parametrize("host", ["", "a b", "https://a", "a/b", "x" * 254])
def test_what_is_no_address_to_listen_on_is_refused(monkeypatch, host):
    monkeypatch.setenv("MELDEWEG_HTTP__HOST", host)
    code, detail = refusal()
    assert code == "setting-invalid"
    assert detail.startswith("http.host (MELDEWEG_HTTP__HOST): ")


def test_a_certificate_without_its_key_is_refused(monkeypatch):
    monkeypatch.delenv("MELDEWEG_HTTP__KEY")
    assert refusal() == ("setting-invalid", "http.cert and http.key belong together")


def test_whatever_is_wrong_with_one_hides_none_of_the_others(monkeypatch, toml):
    monkeypatch.setenv("MELDEWEG_KAFKA__BOOTSTRAPS", SECRET)
    monkeypatch.setenv("MELDEWEG_RETRYS", SECRET)
    monkeypatch.delenv("MELDEWEG_HTTP__KEY")
    monkeypatch.delenv("MELDEWEG_KAFKA__CA")
    toml(f'[kafka]\nac = "{SECRET}"\n')
    code, detail = refusal()
    assert code == "setting-unknown"
    assert sorted(detail.split("; ")) == [
        "MELDEWEG_KAFKA__BOOTSTRAPS",
        "MELDEWEG_RETRYS",
        "did you mean MELDEWEG_KAFKA__BOOTSTRAP?",
        "did you mean MELDEWEG_RETRIES?",
        "kafka.ac (MELDEWEG_KAFKA__AC)",
        "setting-invalid: http.cert and http.key belong together",
        "setting-missing: kafka.ca (MELDEWEG_KAFKA__CA)",
    ]


def test_a_misspelt_variable_and_a_file_that_is_not_there_are_both_named(monkeypatch):
    monkeypatch.setenv("MELDEWEG_CONFIG", "/nowhere/service.toml")
    monkeypatch.setenv("MELDEWEG_RETRYS", SECRET)
    code, detail = refusal()
    assert code == "setting-unknown"
    assert "; setting-file-unreadable: MELDEWEG_CONFIG=/nowhere" in detail


def test_all_that_production_refuses_is_named_at_once(monkeypatch):
    for name in ("CERT", "KEY"):
        monkeypatch.delenv(f"MELDEWEG_HTTP__{name}")
    monkeypatch.setenv("MELDEWEG_CLOCK_OFFSET", "86400")
    monkeypatch.setenv("MELDEWEG_PRETEND", "true")
    code, detail = refusal()
    assert code == "setting-seam-in-production"
    assert detail.split("; ") == [
        "clock_offset needs mode = demo",
        "pretend needs mode = demo",
        "setting-http-plain: production: set http.cert and http.key",
    ]


def test_every_setting_is_described_with_its_default_and_meaning():
    lines = {line.name: line for line in describe(Example)}
    assert lines["kafka.bootstrap"].variable == "MELDEWEG_KAFKA__BOOTSTRAP"
    assert lines["kafka.bootstrap"].default == "required"
    assert (lines["limits.bytes"].default, lines["limits.bytes"].meaning) == ("10", "most bytes")
    assert lines["http.cert"].default == "none"
    assert lines["mode"].default == "production"
    assert all(line.meaning for line in lines.values())


def test_a_setting_without_a_meaning_can_not_be_declared():
    with pytest.raises(TypeError, match=r"Silent\.limit"):

        class Silent(Settings):
            limit: int = 3


def test_what_goes_wrong_with_a_settings_file_names_the_setting(tmp_path):
    gone = tmp_path / "gone" / "file"
    named = "kafka.ca (MELDEWEG_KAFKA__CA): "
    for tried, code, detail in (
        (lambda: read_secret(gone), "secret-unreadable", f"{named}{gone}"),
        (gone.mkdir, "setting-invalid", f"{named}{gone}: No such file or directory"),
        (lambda: Path("a\0b").mkdir(), "setting-invalid", f"{named}no path can be this"),
    ):
        with pytest.raises(Fatal) as fatal, naming("kafka.ca"):
            tried()
        assert (fatal.value.code, fatal.value.detail) == (code, detail)


def test_a_secret_is_read_from_its_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    assert read_secret(file) == SECRET
    with pytest.raises(Fatal) as fatal:
        read_secret(tmp_path / "none")
    assert fatal.value.code == "secret-unreadable"
    for nothing in ("", "\n", " \n\n"):
        file.write_text(nothing)
        with pytest.raises(Fatal) as fatal:
            read_secret(file)
        assert fatal.value.code == "secret-empty"
