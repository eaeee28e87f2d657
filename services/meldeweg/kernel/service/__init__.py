"""What every service's `__main__` is wired with: see `lifecycle.Service`."""

from meldeweg.kernel.service.http import Check
from meldeweg.kernel.service.lifecycle import Part, Service, run

__all__ = ["Check", "Part", "Service", "run"]
