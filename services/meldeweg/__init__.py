"""Meldeweg, the reporting path between police authorities and youth welfare offices."""

__version__ = "0.1.0"
