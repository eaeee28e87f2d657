"""From a stack at rest to findings: gather and judge again and again, as long as patience lasts.

What heals by itself within the patience was no violation; what stays, or what the last gathering
still says, is one. Evidence that could not be gathered is a failure, never a pass.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import httpx2

from faults.beats import disturbed
from faults.checker import judge
from faults.evidence import Evidence, Finding, since
from faults.gathering import at_rest, gather
from faults.grounds import Site
from meldeweg.kernel.errors import MeldewegError

_EVERY = 1.0  # seconds between two gatherings
_REST, _LOOK = 20.0, 0.3  # seconds in which all may come to rest before the first; between looks
_TROUBLE = (MeldewegError, AssertionError, OSError, httpx2.HTTPError)  # it is still coming back


def verdict(site: Site, patience: float) -> list[Finding]:
    """Return what is wrong with everything that happened on this stack so far."""
    until = time.monotonic() + patience
    _wait_for_rest(site, min(_REST, patience))
    while True:
        late = time.monotonic() > until
        try:
            evidence = gather(
                site.district,
                site.history.entries(),
                site.directory / "log",
                revoked=site.revoked,
                restored=site.restored,
                expired=site.expired,
                bent=site.bent,
                disturbed=disturbed(site.directory / "faults.jsonl"),
            )
        except _TROUBLE:
            if late:
                raise
        else:
            evidence = since(evidence, site.before)
            site.judged, found = evidence, judge(evidence)
            if not found or late:
                if found:
                    keep(site, evidence, found)
                return found
        time.sleep(_EVERY)


def _wait_for_rest(site: Site, seconds: float) -> None:
    """Gathering is work, and delays what it waits for; it comes after `seconds` in any case."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not at_rest(site.district):
        time.sleep(_LOOK)


def keep(site: Site, evidence: Evidence, found: Sequence[Finding]) -> None:
    """Leave what was judged beside the stack, so that it can be judged again."""
    (site.directory / "evidence.json").write_text(json.dumps(asdict(evidence), default=_plain))
    shown = [asdict(each) for each in found]
    (site.directory / "findings.json").write_text(json.dumps(shown, indent=1))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else str(value)
