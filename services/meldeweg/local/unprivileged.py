"""Give up root, keep the way to one's files, and become another program.

Guarantees: the program runs as the given user and group with no other groups; of root's powers it
keeps at most the one to pass directories and read files (CAP_DAC_READ_SEARCH), so that a stack
below `/root` works without anybody's permissions being opened. PostgreSQL refuses to run as root;
everything else of a stack that root starts *is* root, so this widens nothing.
Trusts its caller, who is root. Run by path with `python -I -S`: standard library alone.

Arguments: UID GID PROGRAM ARGUMENT…
"""

import ctypes
import os
import sys

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


def become(uid: int, gid: int) -> None:
    """Change user for good. Where the system knows no capabilities, or grants none: plainly."""
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if linux:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if linux:
        _keep_only(libc, _CAP_DAC_READ_SEARCH)


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    """Drop all capabilities but one, and hand that one on through `exec` if it may be.

    A container may not have it: then the program can still run where its paths are open to all,
    and says which one is not where they are not.
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bits = 1 << capability
    # Twice effective, permitted, inheritable: for capabilities 0-31 and 32-63.
    if libc.capset(header, (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)) != 0:
        libc.capset(header, (ctypes.c_uint32 * 6)())
        return
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is the point
