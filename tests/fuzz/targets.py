"""All targets; importing it enters them."""

from fuzz import answered, asked, forms, logged, sealed, trusted
from fuzz.harness import TARGETS

__all__ = ["TARGETS", "answered", "asked", "forms", "logged", "sealed", "trusted"]
