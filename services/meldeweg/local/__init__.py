"""The whole backbone on one machine: broker, database, certificates and every service.

For the demo, for development and for tests; nothing here runs in production. Entry points:
`up`, `down` and `status` for the command line, `Stack` for a scenario or a test that needs all of
it, `broker.Broker` and `postgres.Postgres` for one that needs one part.
"""

from meldeweg.local.control import Signals, State, Status, down, is_running, status, up
from meldeweg.local.plan import BackboneAlone, Plan, Stage
from meldeweg.local.stack import Options, Stack

__all__ = [
    "BackboneAlone",
    "Options",
    "Plan",
    "Signals",
    "Stack",
    "Stage",
    "State",
    "Status",
    "down",
    "is_running",
    "status",
    "up",
]
