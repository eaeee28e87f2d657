"""What a verification found, for people and for programs."""

from dataclasses import asdict, dataclass, field
from typing import Any

FINDINGS_MAX = 1000  # listed; all are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: a stable code, where it is, and facts."""

    code: str
    where: str
    detail: str = ""


@dataclass(slots=True)
class Report:
    """`broken`: the log contradicts itself or its signature. `missing`: numbers of a sender that
    are not in the log, and entries whose bytes are not shown. `notices`: what was not, or could not
    be, checked. `before`: the same of the year before's log, if it was given."""

    origin: str = ""
    size: int = 0
    root: str = ""
    signed_by: list[str] = field(default_factory=list)
    entries: int = 0
    topics: dict[str, int] = field(default_factory=dict)
    broken: list[Finding] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    count: int = 0
    before: "Report | None" = None

    @property
    def ok(self) -> bool:
        """Nothing is broken and nothing is missing, in the year before neither."""
        return self.count == 0 and (self.before is None or self.before.ok)

    def breaks(self, code: str, where: str, detail: str = "") -> None:
        self.count += 1
        if len(self.broken) < FINDINGS_MAX or code == "given-up":  # which nobody may overlook
            self.broken.append(Finding(code, where, detail))

    def misses(self, code: str, where: str, detail: str = "") -> None:
        self.count += 1
        if len(self.missing) < FINDINGS_MAX:
            self.missing.append(Finding(code, where, detail))

    def notes(self, code: str, where: str, detail: str = "") -> None:
        if len(self.notices) < FINDINGS_MAX:
            self.notices.append(Finding(code, where, detail))

    def as_json(self) -> dict[str, Any]:
        before = None if self.before is None else self.before.as_json()
        return {"ok": self.ok} | asdict(self) | {"before": before}
