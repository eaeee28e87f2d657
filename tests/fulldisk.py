"""A disk without room, for anybody: the kernel refuses every write beyond a file's size."""

import resource
from contextlib import contextmanager


@contextmanager
def room(size=0):
    """Let no file grow beyond `size` bytes; processes that are started meanwhile inherit that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
