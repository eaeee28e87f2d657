"""An export as its verifier has it: a sample, its changes, and what the report names.

Trusts `synthetic` to write logs as the specification says.
"""

import zipfile

from meldeweg.audit.lines import write_line
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    POLICE,
    SIGNER,
    TO_OFFICE,
    TO_POLICE,
    Log,
    heartbeat,
    message,
)


def sample():
    """700 entries: three topics, garbage, heartbeats."""
    log = Log()
    log.messages(300)
    log.add(EVENTS, heartbeat([(OFFICE, 300)]))
    log.messages(200, TO_POLICE, OFFICE, POLICE)
    log.add(TO_OFFICE, None)
    log.add(TO_OFFICE, b"\xff\xfe not a statement", headers=((b"\xff", None),))
    log.add(TO_OFFICE, b'quoted " and \\ and \x01', key=None)
    for n in range(301, 490):
        log.add(TO_OFFICE, message(n))
    for _ in range(4):
        log.add(EVENTS, heartbeat([(OFFICE, 489)], [(OFFICE, 200)]))
    return log


def check(place, **given):
    with open_source(str(place)) as source:
        return verify(source, **given)


def codes(report):
    return [(finding.code, finding.where) for finding in report.broken + report.missing]


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


def rewritten(out, name, change):
    lines = (out / name).read_bytes().split(b"\n")[:-1]
    (out / name).write_bytes(b"".join(line + b"\n" for line in change(lines)))


def zipped(root, to, prefix=""):
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                file.write(path, prefix + str(path.relative_to(root)))
    return to


def erased_log(tmp_path, erased):
    """Ten numbered messages, of which the entries `erased` are said to have lost their bytes."""
    log = Log()
    log.messages(10)
    for index in erased:
        log.lines[index] = write_line(index, log.leaves[index], TO_OFFICE, None)
    for _ in range(3):
        log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 10)], agency=OFFICE))
    return check(log.write(tmp_path), vkeys=[SIGNER.verifier().vkey()])
