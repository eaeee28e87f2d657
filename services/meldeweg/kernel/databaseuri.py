"""Where a service's PostgreSQL is: the address in the file that the setting `database` names.

Guarantees: one that can be none (libpq can't read it, a port that there is not) is refused when the
service is wired, as any wrong setting, and nothing of it is said: it has the password. Whether a
database answers there is found out when the service starts, and may pass.
"""

from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import read_secret

_PORT_MAX = 65535


def read_database(path: Path) -> str:
    """Return the address, a libpq URI or `name=value` words.

    Raises Fatal `secret-unreadable`, `secret-empty`, or `setting-invalid` for what is no address.
    """
    address = read_secret(path)
    if not _is_address(address):
        raise Fatal("setting-invalid", f"{path}: no address of a PostgreSQL database")
    return address


def _is_address(text: str) -> bool:
    try:
        ports = str(conninfo_to_dict(text).get("port") or "")
    except psycopg.Error:  # its words quote the address
        return False
    return "\0" not in text and all(_is_port(each) for each in ports.split(",") if each)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= _PORT_MAX
