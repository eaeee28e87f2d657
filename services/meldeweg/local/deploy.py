"""Where the files of `deploy/` are: inside an installed wheel, or beside `services/` in a checkout.

Guarantees a path that exists, or `Fatal`. Trusts nothing of what is in the files.
"""

from pathlib import Path

from meldeweg.kernel.errors import Fatal

_HERE = Path(__file__).resolve()
# The wheel carries a copy (pyproject: force-include); a checkout and an editable install do not.
_ROOTS = (_HERE.parent / "_deploy", _HERE.parents[3] / "deploy")


def deployed(*parts: str) -> Path:
    """Return the path of `deploy/<parts>`; `Fatal(deploy-file-missing)` if it is nowhere."""
    for root in _ROOTS:
        candidate = root.joinpath(*parts)
        if candidate.exists():
            return candidate
    raise Fatal("deploy-file-missing", "deploy/" + "/".join(parts))
