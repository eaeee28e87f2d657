"""Prometheus metrics of a service, of one registry, named `meldeweg_…`.

Guarantees: a label is one of a short list (who, what kind of outcome; never which case: I10).
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # resident memory, descriptors, CPU

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABELS = frozenset(
    {
        "action",
        "agency",
        "code",
        "direction",
        "kind",
        "outcome",
        "part",
        "partner",
        "state",
        "subscription",
    }
    | {"topic", "urgency", "version"},
)


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """Return a counter `meldeweg_<name>_total`."""
    return Counter(_named(name, labels), meaning, labels, registry=REGISTRY)


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """Return a gauge `meldeweg_<name>`; say the unit in the name."""
    return Gauge(_named(name, labels), meaning, labels, registry=REGISTRY)


def histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    """Return a histogram `meldeweg_<name>`; say the unit in the name."""
    return Histogram(_named(name, labels), meaning, labels, buckets=buckets, registry=REGISTRY)


def render() -> bytes:
    """Return every metric in the text format that CONTENT_TYPE names."""
    return generate_latest(REGISTRY)


def _named(name: str, labels: tuple[str, ...]) -> str:
    if unknown := set(labels) - _LABELS:
        raise TypeError(f"metric label not on the list: {', '.join(sorted(unknown))}")
    return f"meldeweg_{name}"
