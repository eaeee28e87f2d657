"""docker-compose.yml as data."""

from pathlib import Path

import yaml

from meldeweg.kernel.agreement import load_district

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = FILE["services"]
DISTRICT = load_district("kreis-viersen")
AGENCIES = [partner.agency for partner in DISTRICT.parties]
GATEWAYS = {name for name in SERVICES if name.startswith("gateway-")}
LASTING = {"registry", "audit", "watch"} | GATEWAYS
MOUNT = Path("/etc/meldeweg")


def mounts(service):
    """source → (target, read only) of each volume."""
    found = {}
    for each in SERVICES[service].get("volumes", ()):
        if isinstance(each, str):
            source, target = each.split(":")
            found[source] = (target, False)
        else:
            found[each["source"]] = (each["target"], each.get("read_only", False))
    return found
