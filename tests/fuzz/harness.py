"""One target for each parser of foreign bytes: what it may do with any bytes, and nothing else.

A target takes bytes, hands them to the parser, and looks at what comes out: a value that it holds
to the parser's promises (written again it gives the same bytes, and so on), or one of the outcomes
that the parser states. Any other exception is a defect. The same function serves libFuzzer
(`make fuzz`) and, with the kept corpus, `make test`, which needs no fuzzer.
"""

import base64
import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meldeweg.kernel.errors import MeldewegError, Refused

CORPUS = Path(__file__).parent / "corpus"  # inputs that reach far; each campaign chooses anew
DEFECTS = Path(__file__).parent / "defects"  # inputs that once showed a defect: none ever leaves
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DETAIL_MAX = 2000  # characters; a refusal says where, it does not carry the document


@dataclass(frozen=True)
class Target:
    """`parse` returns once the bytes were read, or raises one of `refusals`."""

    name: str
    parse: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    refusals: tuple[type[BaseException], ...]
    shape: str  # what a mutator should keep whole: bytes, json, jws, or a byte before json

    def run(self, data: bytes) -> bool:
        """Say whether the bytes were accepted; raises what is a defect."""
        try:
            self.parse(data)
        except self.refusals as exc:
            if isinstance(exc, MeldewegError):
                assert _CODE.fullmatch(exc.code), exc.code
                assert len(exc.detail) <= _DETAIL_MAX, "the refusal carries the document"
            return False
        return True


TARGETS: dict[str, Target] = {}


def target(
    seeds: Callable[[], list[bytes]],
    *refusals: type[BaseException],
    shape: str = "bytes",
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Enter a function as a target under its own name; `Refused` is the outcome unless told."""

    def entered(parse):
        name = parse.__name__.strip("_").replace("_", "-")
        assert name not in TARGETS
        TARGETS[name] = Target(name, parse, functools.cache(seeds), refusals or (Refused,), shape)
        return parse

    return entered


def text_of(data: bytes) -> str:
    """Return text for a parser that takes text: whoever calls it has refused other bytes before."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("not-text", "") from None


def kept(name: str) -> list[bytes]:
    """Return the kept inputs of a target: each is text where it can be, else base64."""
    return [*_read(CORPUS / f"{name}.jsonl"), *_read(DEFECTS / f"{name}.jsonl")]


def keep(name: str, inputs: set[bytes]) -> None:
    """Write the corpus of a target, the shortest first."""
    _write(CORPUS / f"{name}.jsonl", inputs)


def keep_defects(name: str, inputs: set[bytes]) -> None:
    """Add inputs that showed a defect; they stay when the corpus is chosen anew."""
    path = DEFECTS / f"{name}.jsonl"
    if inputs:
        _write(path, inputs | set(_read(path)))


def _read(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [_input(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, inputs: set[bytes]) -> None:
    lines = [json.dumps(_shown(data)) for data in sorted(inputs, key=lambda one: (len(one), one))]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _input(shown: str | dict[str, str]) -> bytes:
    return shown.encode() if isinstance(shown, str) else base64.b64decode(shown["b64"])


def _shown(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode()}
