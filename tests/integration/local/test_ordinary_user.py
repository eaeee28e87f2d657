"""The same backbone for somebody who is not root: nothing in it may need to be."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

import meldeweg
from meldeweg.local.jars import KAFKA, broker_jars

NOBODY = 65534
SCRIPT = """
import os, pathlib, sys
import psutil, psycopg
from meldeweg.local import BackboneAlone, Options, Stack
with Stack(Options(directory=pathlib.Path(sys.argv[1])), BackboneAlone()) as stack:
    for name, pid in stack.pids.items():
        print(name, psutil.Process(pid).uids().effective)
    with psycopg.connect(stack.description().postgres.uri) as connection:
        print("role", connection.execute("SELECT current_user").fetchone()[0])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="everything here ran as an ordinary user already")
def test_an_ordinary_user_gets_the_same_backbone():
    interpreter = readable_python()
    if interpreter is None:
        pytest.skip("no Python of this version that an ordinary user may run")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        cache = Path(home) / "cache" / f"kafka-{KAFKA}"
        shutil.copytree(broker_jars()[0].parent, cache)
        for path in (Path(home), cache.parent):
            os.chown(path, NOBODY, NOBODY)
        libraries = [str(Path(m.__file__).parents[1]) for m in (meldeweg, psycopg)]
        done = subprocess.run(
            [interpreter, "-c", SCRIPT, f"{home}/stack"],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            env={
                "PYTHONPATH": os.pathsep.join(libraries),
                "HOME": home,
                "MELDEWEG_CACHE": str(cache.parent),
            },
            cwd="/",
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.stdout.splitlines() == [
            f"postgres {NOBODY}",
            f"broker-1 {NOBODY}",
            "role postgres",
        ], done.stderr


def readable_python():
    """This interpreter may lie in a home directory; the system's will do if its version fits."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([path, "-c", ""], user=NOBODY, group=NOBODY, cwd="/", check=True)
        except OSError:
            continue
        return path
    return None
