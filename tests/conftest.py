"""What holds for all tests: a property may take its time, as a busy machine is no defect; and an
error that is told to a terminal is told without the values of each frame, which took seconds.
"""

import structlog
from hypothesis import settings

settings.register_profile("meldeweg", deadline=None)
settings.load_profile("meldeweg")
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)
