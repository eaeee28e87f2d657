"""Versions of the store. HEAD is what this code reads; `__main__` migrates, in its own process.

Alembic and SQLAlchemy cost some 30 MB of memory and are needed once per release: the gateway starts
`schema/__main__.py PATH` when the store is not at HEAD, and loads neither.
"""

HEAD = "0005"
