"""What can go wrong at the API: the catalogue, and how an outcome becomes an answer.

Guarantees: every answer that is not a success is problem+json with a code of the catalogue; all
text in it is the catalogue's, the agreement's (`rule`, `call`) or a code. Neither a value of the
request nor an exception's words get in: a pointer loses every name that is not plainly a declared
one. Trusts: `Call` and `rule` of a `Rejected` come from the agreement.
"""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from fastapi import Response

from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Call, Pointer
from meldeweg.kernel.errors import MeldewegError, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.policy import Rule
from meldeweg.kernel.service import problem
from meldeweg.kernel.service.problem import INTERNAL, MEDIA_TYPE, Problem

_DECLARED = re.compile(r"[a-z][a-z0-9_]{0,40}|[0-9]{1,4}")
_ERRORS_MAX = 20  # of one document; more help nobody
_RETRY_AFTER = 5  # seconds
_answered = counter("api_problems", "Problems that the API answered", "code")


class ProblemDocument(Frozen):
    """RFC 9457 problem details. `detail` is German: what it means and what to do.

    `rule`: stable code of the rule of the agreement that failed; `rule_text` says it in German.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[Pointer, ...] | None = None
    rule: str | None = None
    rule_text: str | None = None
    call: Call | None = None
    responsible: AgencyId | None = None
    scope: str | None = None
    reason: str | None = None


@cache
def catalogue() -> dict[str, Problem]:
    """Return code → problem, those of every service first."""
    text = resources.files(__package__).joinpath("problems.toml").read_text(encoding="utf-8")
    own = {code: Problem(code=code, **entry) for code, entry in tomllib.loads(text).items()}
    return {found.code: found for found in problem.BASICS} | own


def answer(code: str, **members: Any) -> Response:
    """Return the response for a code of the catalogue; `members` as in `ProblemDocument`."""
    return _response(catalogue()[code], members)


def of_outcome(outcome: MeldewegError) -> Response:
    """Return the response for what a flow raised: Refused 4xx, Unavailable 503, Fatal 500."""
    found = catalogue().get(outcome.code)
    match outcome:
        case Refused() if found is None or found.status >= 500:
            return answer("refused", reason=outcome.code, **_known(outcome))
        case Unavailable() if found is None or found.status != 503:
            return answer("unavailable", reason=outcome.code)
        case Refused() | Unavailable():
            assert found is not None  # else one of the cases above
            return _response(found, _known(outcome))
        case _:
            return _response(INTERNAL, {})


def _known(outcome: MeldewegError) -> dict[str, Any]:
    if not isinstance(outcome, Rejected):
        return {}
    return {
        "errors": [
            {"pointer": declared(error.pointer), "code": error.code}
            for error in outcome.errors[:_ERRORS_MAX]
        ]
        or None,
        "rule": outcome.rule,
        "rule_text": next((one.german for one in Rule if one == outcome.rule), None),
        "call": outcome.call.model_dump(mode="json", exclude_none=True) if outcome.call else None,
        "responsible": outcome.responsible,
    }


def declared(pointer: str) -> str:
    """Cut a JSON pointer before the first name that may have come from the document itself."""
    kept = ""
    for part in pointer.split("/")[1:]:
        if not _DECLARED.fullmatch(part):
            break
        kept += f"/{part}"
    return kept


def _response(found: Problem, members: dict[str, Any]) -> Response:
    _answered.labels(found.code).inc()
    headers = {}
    if found.status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER)
    if found.status == 401:
        error = "" if found.code == "token-missing" else ', error="invalid_token"'
        headers["WWW-Authenticate"] = f'Bearer realm="meldeweg"{error}'
    if found.status == 408:
        headers["Connection"] = "close"
    return Response(
        problem.body(found, **members),
        status_code=found.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )
