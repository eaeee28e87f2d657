"""Seal and open; nothing else. Importable by the gateway and the auditor's command alone."""

from meldeweg.envelope.sealing import addressed_to, open_sealed, open_with, seal

__all__ = ["addressed_to", "open_sealed", "open_with", "seal"]
