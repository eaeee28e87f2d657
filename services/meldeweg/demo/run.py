"""`meldeweg demo`: up, the story step by step, what must not work, the table; then it stays up."""

from contextlib import ExitStack
from pathlib import Path

from meldeweg.ceremony.district import Places, extended
from meldeweg.demo import attempts
from meldeweg.demo.story import CASTS, Cast, Story
from meldeweg.demo.telling import StepFailedError, Teller
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.local import Options, Signals, Stack
from meldeweg.local.district import DistrictPlan
from meldeweg.local.progress import for_this_terminal

FINE = 0
FAILED = 1


def run(
    directory: Path, district: str, *, once: bool, brokers: int = 1, passing: bool = False
) -> int:
    """Return 0 only if every step held. `passing`: the directory goes when they did."""
    cast = CASTS.get(district)
    if cast is None:
        raise Refused("district-not-named", f"the demo knows {', '.join(CASTS)}")
    tell, signals = Teller(), Signals()
    _warn(tell)
    with signals.installed():
        stack = Stack(
            Options(directory=directory, brokers=3 if brokers == 3 else 1),
            DistrictPlan(district),
            progress=for_this_terminal(),
            interrupted=signals,
        )
        try:
            with stack:
                _play(stack, cast, tell, passing=passing)
                if not once:
                    tell.look(stack.directory, cast.office)
                    tell.headline("Alles läuft weiter. Strg-C beendet es. / Ctrl-C ends it.")
                    signals.wait()
        except StepFailedError as exc:
            tell.warn(f"Der Schritt hielt nicht / the step did not hold: {exc}")
            return FAILED
    return FINE


def _warn(tell: Teller) -> None:
    """Say aloud what only a demonstration may do."""
    tell.headline("Meldeweg: Vorführung mit erfundenen Personen / demo, everybody is invented")
    tell.warn("Nur zur Vorführung: alle privaten Schlüssel in einem Verzeichnis, HTTP ohne TLS auf")
    tell.warn("127.0.0.1, eine selbst gemachte Zertifizierungsstelle, Prüfhilfen (mode = demo).")


def _warn_of_term(directory: Path, district: str, tell: Teller) -> None:
    """Say aloud when the agreement's real term is over and one was made up."""
    term = extended(Places(directory / "trust"), load_district(district))
    if term is not None:
        tell.warn("Die wirkliche Vereinbarung ist abgelaufen. Für die Vorführung gilt erfunden:")
        tell.warn(f"{term.first} bis {term.until} / the real term is over; this one is made up.")


def _play(stack: Stack, cast: Cast, tell: Teller, *, passing: bool) -> None:
    description, directory = stack.description(), stack.directory
    _warn_of_term(directory, description.district, tell)
    oversight = Places(directory / "trust").oversight(AgencyId(cast.office))
    with ExitStack() as closing:
        tell.headline("Die Meldung / the report")
        story = Story(description, cast, tell, closing)
        accepted = story.report()
        story.take(accepted)
        story.the_other_way()
        tell.headline("Was nicht gehen darf / what must not work")
        attempts.foreign_inbox(description, cast, tell)
        attempts.outside(story.police, cast, tell)
        attempts.nothing_readable(description, directory, accepted.id, tell)
        tell.headline("Der Nachweis / the proof")
        digest = story.police.sent(accepted.id).digest
        out = attempts.log_proves(description, directory, digest, tell)
        attempts.one_byte(out, tell)
        key = next(oversight.glob("*.jwk"))
        attempts.officer_opens(description, directory, out, digest, key, tell)
    stack.timings.measure_memory(stack.pids)
    tell.table(description, stack.timings)
    tell.held()
    tell.where(directory, passing=passing)
