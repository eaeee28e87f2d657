"""Tiles of the log, from the audit service over HTTP.

Guarantees: no answer is waited for without end or read beyond a tile's size; nothing goes out but
which tile is asked for. A tile of a width never changes: full ones are kept, a few of them, the
others for one run. Trusts nothing of what comes: `proving` does the believing.
"""

import re
import time
from collections import OrderedDict

import httpx2

from meldeweg.gateway.inclusion.proving import Fetch
from meldeweg.gateway.settings import LogSettings
from meldeweg.kernel.authority import trusting
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.merkle import HASH_SIZE
from meldeweg.kernel.settings import said
from meldeweg.kernel.tiles import WIDTH, Tile

_KEPT = 128  # full tiles, 8 KiB each
_YEAR = re.compile(r"/([1-9][0-9]{3})$")


class Tiles:
    """One client; used by one thread at a time."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        try:
            verify = trusting(settings.url, settings.ca)
        except (Refused, ValueError) as exc:
            raise Fatal(
                "setting-invalid", f"{said('audit.ca')}: not a readable certificate"
            ) from exc
        self._http = httpx2.Client(
            base_url=settings.url.rstrip("/") + "/",
            timeout=settings.timeout,
            verify=verify,
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
            follow_redirects=False,
        )
        self._kept: OrderedDict[tuple[str, Tile], bytes] = OrderedDict()

    def reader(self, origin: str) -> Fetch:
        """Return what brings tiles of one log, within the settings' time for a run.

        It raises Unavailable: `log-unreachable`, `log-slow`, `log-tile-malformed`.
        """
        until = time.monotonic() + self._settings.run_max
        partial: dict[Tile, bytes] = {}  # each head that came since the last run asks for the same

        def fetch(tile: Tile) -> bytes:
            key = (origin, tile)
            if tile.width < WIDTH:
                if tile not in partial:
                    partial[tile] = self._asked(origin, tile, until)
                return partial[tile]
            if key not in self._kept:
                self._kept[key] = self._asked(origin, tile, until)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

        return fetch

    def _asked(self, origin: str, tile: Tile, until: float) -> bytes:
        size, data = tile.width * HASH_SIZE, bytearray()
        year = _YEAR.search(origin)
        query = {"year": year[1]} if year else {}
        try:
            with self._http.stream("GET", tile.path(), params=query) as answer:
                if answer.status_code != 200:
                    raise Unavailable("log-unreachable", f"status {answer.status_code}")
                for chunk in answer.iter_raw():  # as it comes: nothing is unpacked
                    data += chunk
                    if len(data) > size:
                        raise Unavailable("log-tile-malformed", tile.path())
                    if time.monotonic() > until:
                        raise Unavailable("log-slow", tile.path())
        except httpx2.HTTPError as exc:
            raise Unavailable("log-unreachable", tile.path()) from exc
        if len(data) != size:
            raise Unavailable("log-tile-malformed", tile.path())
        return bytes(data)
