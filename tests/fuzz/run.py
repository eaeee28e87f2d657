"""Fuzz one target: `python tests/fuzz/run.py ITSELF TARGET [libFuzzer's options] DIRECTORY`.

`ITSELF`: an executable that does the same with libFuzzer's options alone (`campaign.py` makes it).

`--planted` puts a known mistake into the parsers first, which the campaign must find: a fuzzer that
does not see it would not see another one either.
"""

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "services")]
with atheris.instrument_imports(include=["meldeweg"]):
    from fuzz.mutate import mutate
    from fuzz.targets import TARGETS


def plant() -> None:
    """Take base64url for canonical whatever its last bits are: one value gets several texts."""
    from meldeweg.kernel import strictjson

    every = bytes(range(256))
    strictjson._LAST = (b"", b"", every, every)


def main() -> None:
    planted = "--planted" in sys.argv
    itself, name, *options = (each for each in sys.argv[1:] if each != "--planted")
    target = TARGETS[name]
    if planted:
        plant()

    def bent(data: bytes, size: int, seed: int) -> bytes:
        return mutate(target.shape, data, size, seed, atheris.Mutate)

    atheris.Setup([itself, *options], target.run, custom_mutator=bent)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
