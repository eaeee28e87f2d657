"""Kafka's own form of a UUID."""

import base64
import uuid


def kafka_uuid() -> str:
    """Return a fresh one: base64url of 16 bytes. None begins with a dash: its tools choke on it."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
