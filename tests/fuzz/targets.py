"""All targets; importing it enters them."""

from fuzz import asked, forms, logged, sealed, trusted
from fuzz.harness import TARGETS

__all__ = ["TARGETS", "asked", "forms", "logged", "sealed", "trusted"]
