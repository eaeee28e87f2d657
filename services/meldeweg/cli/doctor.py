"""`meldeweg doctor`: find what is wrong, say what it means and what to do. Changes nothing."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meldeweg.cli.failing import Exit
from meldeweg.cli.showing import Json, echo_json, safe
from meldeweg.cli.target import Dir
from meldeweg.cli.variables import Service, refuse_misspelt
from meldeweg.kernel.errors import Fatal, Refused, Unavailable

if TYPE_CHECKING:
    from meldeweg.doctor.examining import Report

app = typer.Typer()


@app.command()
def doctor(
    service: Annotated[
        Service | None, typer.Argument(help="ein Dienst mit seinen Einstellungen; sonst --dir")
    ] = None,
    directory: Dir = None,
    as_json: Json = False,
) -> None:
    """Störungen finden und erklären: Befund, Bedeutung, Abhilfe.

    Ende mit 0: alles gut, 10: etwas ist gestört, 3: nichts war erreichbar.
    """
    if service is None:  # of a service, a misspelt setting is a finding among others
        refuse_misspelt()
    report = _of_service(service) if service else _of_stack(directory)
    if as_json:
        echo_json(_plain(report))
    else:
        _show(report)
    raise typer.Exit(_exit(report))


def _of_service(service: Service) -> "Report":
    from meldeweg.doctor.catalogue import Finding  # noqa: PLC0415 - loaded when asked for
    from meldeweg.doctor.examining import Report, compare_clocks, examine  # noqa: PLC0415
    from meldeweg.doctor.subjects import of_settings  # noqa: PLC0415
    from meldeweg.kernel.clock import SystemClock  # noqa: PLC0415

    try:
        subject = of_settings(service.value)
    except Fatal as exc:
        found = Finding(service.value, "setting-wrong", str(exc))
        return Report([f"{service.value}: settings"], [found], reached=True)
    report = examine(subject, SystemClock())
    compare_clocks(subject.name, report)
    return report


def _of_stack(directory: Any) -> "Report":
    from meldeweg.doctor.catalogue import Finding  # noqa: PLC0415 - loaded when asked for
    from meldeweg.doctor.examining import Report, clocks, compare_clocks, examine  # noqa: PLC0415
    from meldeweg.doctor.subjects import of_stack, taken_ports  # noqa: PLC0415
    from meldeweg.kernel.clock import SystemClock  # noqa: PLC0415

    if directory is None:
        raise Refused("service-not-named", "gateway, registry, audit, watch; or --dir")
    try:
        subjects = of_stack(directory)
    except Unavailable as exc:
        taken = [Finding("stack", "port-taken", each) for each in taken_ports(directory)]
        return Report(["stack.json"], taken or [Finding("stack", "stack-not-running", exc.detail)])
    report, clock = Report(), SystemClock()
    with ThreadPoolExecutor(len(subjects) or 1) as threads:  # each may wait for what is not there
        for found in threads.map(lambda subject: examine(subject, clock), subjects):
            report.add(found)
    compare_clocks("stack", report)
    watch = next((each for each in subjects if each.name == "watch"), None)
    agencies = [each.agency for each in subjects if each.agency]
    if watch is not None and report.reached:
        report.checked.append("clocks")
        report.findings += asyncio.run(clocks(watch.kafka, agencies))
    return report


def _exit(report: "Report") -> Exit:
    if not report.findings:
        return Exit.FINE
    return Exit.UNHEALTHY if report.reached else Exit.UNREACHABLE


def _plain(report: "Report") -> dict[str, Any]:
    return {
        "ok": not report.findings,
        "checked": report.checked,
        "findings": [
            {
                "code": each.code,
                "subject": each.subject,
                "detail": each.detail,
                "meaning": each.entry.meaning,
                "fix": each.entry.fix,
                "meaning_en": each.entry.meaning_en,
                "fix_en": each.entry.fix_en,
            }
            for each in report.findings
        ],
    }


def _show(report: "Report") -> None:
    """Say each finding once per kind: what is the same for many is explained once."""
    by_code: dict[str, list[Any]] = {}
    for each in report.findings:
        by_code.setdefault(each.code, []).append(each)
    for code, found in by_code.items():
        entry = found[0].entry
        sys.stdout.write(f"{code}\n")
        for each in found:
            sys.stdout.write(f"  {safe(each.subject)}: {safe(each.detail) or '-'}\n")
        sys.stdout.write(f"  {entry.meaning}\n  Abhilfe: {entry.fix}\n")
        sys.stdout.write(f"  ({entry.meaning_en} {entry.fix_en})\n\n")
    number = len(report.findings)
    verdict = "alles gut / all well" if not number else f"{number} Befunde / findings"
    sys.stdout.write(f"{len(report.checked)} geprüft / checked: {verdict}\n")
