"""The log of a year as files by name: what is exported, and what the HTTP side serves.

Guarantees: everything of one size fits together, however the log grows meanwhile.
"""

from collections.abc import Iterator, Sequence

from meldeweg.audit.lines import write_line, write_text
from meldeweg.audit.reading import Reading, Signed
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.note import Verifier
from meldeweg.kernel.tiles import parse_path


class Served:
    """A `Source` (see `sources`) over the database, for one signed size."""

    def __init__(self, reading: Reading, keys: Sequence[Verifier], signed: Signed) -> None:
        self._reading, self._keys, self.signed = reading, keys, signed

    def read(self, name: str, limit: int) -> bytes:
        data = self._read(name)
        if len(data) > limit:
            raise Refused("file-too-large", name)
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        match name:
            case "leaves.jsonl":
                for each in self._reading.entries(0, self.signed.size, self.signed.year):
                    yield write_line(each.index, each.leaf, each.topic, each.canonical)
            case "manifests.jsonl":
                for _, signed in self._reading.manifests(self.signed.year, self.signed.size):
                    yield write_text(note.parse(signed).text)
            case _:
                raise Refused("file-missing", name)

    def names(self) -> Iterator[str]:
        """Nothing: there is no file here that an export would not have."""
        yield from ()

    def _read(self, name: str) -> bytes:
        match name:
            case "checkpoint":
                return self.signed.note
            case "vkey":
                return "".join(f"{key.vkey()}\n" for key in self._keys).encode()
            case "manifest":
                return self._reading.manifest(self.signed.year, self.signed.size)
            case _:
                return self._reading.tile(parse_path(name), self.signed.year)
