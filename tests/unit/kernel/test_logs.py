"""Neither content nor secrets get into a log line."""

import asyncio
import json
import logging
import re
import subprocess
import sys
import warnings

import pytest

from fulldisk import room
from meldeweg.kernel import logs
from meldeweg.kernel.errors import Early, Fatal, Refused, Unavailable
from meldeweg.kernel.metrics import render

SECRET = "Erika Beispiel, Musterweg 1"


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def lines(capsys):
    def read():
        text = capsys.readouterr().err
        assert SECRET not in text
        assert SECRET.split(maxsplit=1)[0] not in text
        return [json.loads(line) for line in text.splitlines()]

    return read


@pytest.fixture(params=[True, False], ids=["strict", "production"])
def strict(request):
    logs.configure(service="example", strict=request.param)
    return request.param


def failed(exc):
    try:
        raise exc  # noqa: TRY301 - so that it has a traceback
    except BaseException as caught:
        return caught


def test_a_line_is_json_with_its_name_facts_service_and_time(lines, strict):
    logs.get().info("message_sealed", count=3, code="all-well", seconds=0.5)
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("at"))
    assert line == {
        "level": "info",
        "service": "example",
        "event": "message_sealed",
        "count": 3,
        "code": "all-well",
        "seconds": 0.5,
    }


BAD = [
    {"content": SECRET},  # unknown
    {"code": SECRET},  # not in its form
    {"count": SECRET},
    {"count": True},
    {"topic": SECRET},
    {"message_id": SECRET},
    {"code": "x" * 10 + "\n"},
    {"code": None},
    {"count": [1]},
    {"code": "erika-beispiel-" * 4 + "x"},  # as long as no code is
    {"outcome": "x" * 61},
    {"url": "https://Erika_Müller_aus_Grefrath"},
    {"url": "https://" + "x" * 263},
    {"seconds": float("nan")},
    {"seconds": float("inf")},
]


@pytest.mark.parametrize("fields", BAD)
def test_a_field_that_is_not_allowed_raises_in_tests(lines, fields):
    logs.configure(service="example", strict=True)
    with pytest.raises(logs.FieldRefused) as refusal:
        logs.get().info("something", **fields)
    assert SECRET not in str(refusal.value)
    assert lines() == []


@pytest.mark.parametrize("fields", BAD)
def test_a_field_that_is_not_allowed_is_dropped_named_and_counted_in_production(lines, fields):
    logs.configure(service="example", strict=False)
    before = _refused()
    logs.get().info("something", attempt=1, **fields)
    (line,) = lines()
    assert (line["event"], line["attempt"]) == ("something", 1)
    assert line["refused_fields"] == list(fields)
    assert not fields.keys() & line.keys()
    assert _refused() == before + 1


@pytest.mark.parametrize("event", [SECRET, None, {"content": SECRET}, [SECRET], 7])
def test_an_event_is_a_name_and_no_sentence(lines, event):
    logs.configure(service="example", strict=False)
    logs.get().info(event)
    assert lines()[0]["event"] == "event_refused"
    logs.configure(service="example", strict=True)
    with pytest.raises(logs.FieldRefused):
        logs.get().info(event)


@pytest.mark.parametrize(
    "field", [{"code": "x" * 60}, {"url": "http://[::1]:8080"}, {"seconds": 1}]
)
def test_what_is_in_its_form_passes(lines, strict, field):
    logs.get().info("something", **field)
    assert lines()[0].items() >= field.items()


@pytest.mark.parametrize("code", [SECRET, "x" * 61])
def test_an_exceptions_code_that_is_none_is_not_shown(lines, strict, code):
    logs.get().error("something", exc_info=failed(Refused(code)))
    assert lines()[0]["error"][0]["code"] == "?"


@pytest.mark.parametrize(
    ("name", "shown"), [("aiokafka.consumer", "aiokafka.consumer"), (SECRET, "?"), ("x" * 101, "?")]
)
def test_a_librarys_logger_is_named_like_a_module_or_not_at_all(lines, strict, name, shown):
    logging.getLogger(name).error("said")
    assert lines()[0]["logger"] == shown


def test_a_fields_name_that_is_content_itself_is_not_shown(lines):
    logs.configure(service="example", strict=False)
    logs.get().info("something", **{SECRET: 1})
    assert lines()[0]["refused_fields"] == ["?"]


def test_the_same_field_has_one_form_everywhere():
    logs.allow(example_field=int)
    logs.allow(example_field=int)
    with pytest.raises(TypeError):
        logs.allow(example_field=float)


def test_an_exception_is_types_codes_and_places_without_any_message(lines, strict):
    try:
        try:
            int(SECRET)
        except ValueError as exc:
            raise Refused("value-malformed", SECRET) from exc
    except Refused:
        logs.get().exception("record_refused")
    outer, inner = lines()[0]["error"]
    assert (outer["type"], outer["code"]) == ("meldeweg.kernel.errors.Refused", "value-malformed")
    assert inner["type"] == "builtins.ValueError"
    assert re.match(r".*test_logs\.py:\d+ test_an_exception", inner["frames"][-1])


@pytest.mark.parametrize(("kind", "shown"), [(Fatal, True), (Unavailable, True), (Early, False)])
def test_details_about_ourselves_are_shown_those_about_foreign_bytes_are_not(lines, kind, shown):
    logs.configure(service="example", strict=True)
    logs.get().error("something", exc_info=failed(kind("some-code", "kafka.ca")))
    assert ("detail" in lines()[0]["error"][0]) is shown


def test_exceptions_that_cause_each_other_end(lines, strict):
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__cause__, second.__cause__ = second, first
    logs.get().error("something", exc_info=failed(first))
    assert len(lines()[0]["error"]) == 2


def test_a_library_is_shown_by_its_template_never_by_its_arguments(lines, strict):
    logging.getLogger("aiokafka").error("Sending (key=%s value=%s)", SECRET, SECRET)
    (line,) = lines()
    assert line["template"] == "Sending (key=%s value=%s)"
    assert line["where"].startswith("test_logs.py:")


def test_a_librarys_template_that_is_no_literal_is_not_shown(lines, strict):
    name = SECRET
    logging.getLogger("faststream").error(f"hello {name}")  # noqa: G004 - what libraries do
    logging.getLogger("faststream").error(name)
    logging.getLogger("faststream").error("hello " + name)  # noqa: G003 - what libraries do
    logging.getLogger("faststream").error(ValueError(SECRET))
    assert ["template" in line for line in lines()] == [False] * 4


def test_a_librarys_exception_is_reduced_like_ours(lines, strict):
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("aiokafka").exception("Unexpected error in %s", SECRET)
    assert lines()[0]["error"][0]["type"] == "builtins.ValueError"


def test_what_libraries_only_inform_of_is_not_logged(lines, strict):
    logging.getLogger("uvicorn.access").info("GET /v1/municipalities?q=Grefrath")
    logging.getLogger("aiokafka").debug("Sending (key=%s value=%s)", SECRET, SECRET)
    assert lines() == []


async def test_a_task_that_dies_unseen_is_logged_without_its_message(lines, strict):
    async def dies():
        raise ValueError(SECRET)

    task = asyncio.create_task(dies())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert task.done()
    del task
    found = lines()
    assert [line["event"] for line in found] == ["library"]
    assert found[0]["error"][0]["type"] == "builtins.ValueError"


def test_a_library_that_repeats_itself_is_shown_once_in_ten_seconds_and_counted(
    lines, strict, monkeypatch
):
    now = [1000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])

    def complain(times, other=None):
        for _ in range(times):
            logging.getLogger("aiokafka").error("Unable to connect", exc_info=other)

    complain(200)
    logging.getLogger("aiokafka").error("Something else")
    complain(1, failed(OSError()))  # the same place, but not the same
    assert [line.get("withheld") for line in lines()] == [None, None, None]
    now[0] += 9.9
    complain(1)
    assert lines() == []
    now[0] += 0.2
    complain(2)
    assert [line["withheld"] for line in lines()] == [200]


def test_warnings_are_lines_without_their_text(lines, strict):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn(SECRET, stacklevel=1)
    assert lines()[0]["logger"] == "py.warnings"


@pytest.mark.parametrize(
    ("raising", "event"),
    [
        ("raise ValueError(SECRET)", "crashed"),
        ("thread = Thread(target=fail); thread.start(); thread.join()", "thread_crashed"),
        ("Failing().__del__ and None", "finaliser_failed"),
    ],
)
def test_what_nobody_caught_is_a_line_too_wherever_it_was(raising, event):
    code = f"""
from threading import Thread
from meldeweg.kernel import logs
SECRET = {SECRET!r}
def fail(): raise ValueError(SECRET)
class Failing:
    def __del__(self): fail()
logs.configure(service="test", strict=True)
logs.catch_uncaught()
{raising}
"""
    paths = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=paths, capture_output=True, text=True
    )
    line = json.loads(done.stderr)
    assert line["event"] == event
    assert line["error"][0]["type"] == "builtins.ValueError"
    assert SECRET not in done.stdout + done.stderr


def _counted(name):
    found = re.search(rf"^meldeweg_{name}_total (\S+)", render().decode(), re.MULTILINE)
    return float(found[1])


def _refused():
    return _counted("log_fields_refused")


@pytest.mark.parametrize("fits", [0, 30])
def test_lines_without_room_are_counted_and_break_nothing_and_the_next_is_whole(
    tmp_path, monkeypatch, strict, fits
):
    before = _counted("log_lines_unwritten")
    with (tmp_path / "log").open("w", buffering=1) as file:
        monkeypatch.setattr(sys, "stderr", file)
        with room(fits):
            for number in range(200):  # more than Python holds
                logs.get().info("something", count=number)
            logging.getLogger("lib").error("no room")
        logs.get().info("again")
    assert _counted("log_lines_unwritten") == before + 201
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["event"] == "again"


def test_a_stderr_that_is_closed_breaks_nothing(monkeypatch, tmp_path, strict):
    file = (tmp_path / "log").open("w")
    file.close()
    monkeypatch.setattr(sys, "stderr", file)
    logs.get().info("something")
    logs.flush()


@pytest.mark.parametrize("configured", ["before", "after"])
def test_a_library_that_brings_its_own_handler_does_not_get_past_ours(configured):
    steps = ["logs.configure(service='test', strict=True)", "import meldeweg.kernel.bus.stream"]
    if configured == "after":
        steps.reverse()
    code = "\n".join(
        [
            "import logging",
            "from meldeweg.kernel import logs",
            *steps,
            f"logging.getLogger('faststream').error('hello %s', {SECRET!r})",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == ""
    assert json.loads(done.stderr)["template"] == "hello %s"


def test_no_library_that_a_service_imports_keeps_a_handler_of_its_own():
    code = """
import logging
from meldeweg.kernel import logs
logs.configure(service="test", strict=True)
import meldeweg.audit.__main__, meldeweg.gateway.__main__
import meldeweg.registry.__main__, meldeweg.watch.__main__
for name, each in logging.root.manager.loggerDict.items():
    if isinstance(each, logging.Logger):
        own = [h for h in each.handlers if not isinstance(h, logging.NullHandler)]
        assert not own and each.propagate, name
"""
    paths = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=paths)
