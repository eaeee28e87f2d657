"""What doctor can find: a stable code each, what it means and what to do, German first."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Entry:
    """Texts of one code."""

    meaning: str
    fix: str
    meaning_en: str
    fix_en: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is wrong. `subject`: whose it is; `detail`: which one, free of secrets."""

    subject: str
    code: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in catalogue():
            raise TypeError(f"not in the catalogue: {self.code}")

    @property
    def entry(self) -> Entry:
        return catalogue()[self.code]


@cache
def catalogue() -> dict[str, Entry]:
    """Return code → texts."""
    text = resources.files(__package__).joinpath("findings.toml").read_text(encoding="utf-8")
    return {code: Entry(**entry) for code, entry in tomllib.loads(text).items()}
