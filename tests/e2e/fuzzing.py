"""Requests made from the API's description, valid and broken, and every answer held against it."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

load_all_checks()

_CHECKS: Final = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
)
_SECRETS: Final = ("X-API-Key", "Authorization")
_STREAM: Final = "/status/stream"
_ENDLESS: Final = ("Accept", "Upgrade")  # what asks the live feed for an answer that does not end
_REFUSED_FIRST: Final = frozenset({400, 401, 403, 408, 413, 415, 421, 429})
_PATIENCE_S: Final = 30
LOBBY: Final = {"name": "inhouse", "server_region": "USE", "game_mode": "CM"}
_ROLES: Final = ("admin",) * 12 + ("read", "read", "wrong", "")


@dataclass
class Target:
    """A running exporter: where it is, its keys by role, and what exists there, by the name of a path's parameter."""

    url: str
    keys: dict[str, str]
    real: dict[str, list[str]]


@dataclass
class Findings:
    """What came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)

    @property
    def cases(self) -> int:
        return self.statuses.total()


def fuzz(target: Target, cases: int, *, start: int = 0, limit_s: float = 600.0) -> Findings:
    """Send about so many requests, shared out over all operations; the same for the same `start`.

    Raises the first answer that is not as described, reduced to the simplest request that shows it. No more are sent
    when `limit_s` seconds have passed.
    """
    session = requests.Session()
    description = session.get(f"{target.url}/api/v1/openapi.json", timeout=_PATIENCE_S).json()
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=target.url)
    found, until = Findings(), time.monotonic() + limit_s
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == sum(map(len, description["paths"].values()))
    for number, operation in enumerate(operations):
        modes = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
        _heal(session, target)

        @seed(start + number)
        @settings(
            max_examples=-(-cases // len(operations)),
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(modes, st.sampled_from(_ROLES), st.data())
        def send(case: Case[Any], role: str, data: st.DataObject) -> None:
            if time.monotonic() < until:
                _send(case, role, data, session=session, target=target, found=found)

        send()
        found.operations.add(operation.label)
    return found


def _send(
    case: Case[Any], role: str, data: st.DataObject, *, session: requests.Session, target: Target, found: Findings
) -> None:
    for name, real in target.real.items():
        if name in case.path_parameters and data.draw(st.integers(0, 3)):
            case.path_parameters[name] = data.draw(st.sampled_from(real))
    for name in (*_SECRETS, *(_ENDLESS if case.operation.path == _STREAM else ())):
        case.headers.pop(name, None)
    if role:
        case.headers["X-API-Key"] = target.keys.get(role, "wrong")
    answer = case.call(session=session, timeout=_PATIENCE_S, allow_redirects=False)
    found.statuses[answer.status_code] += 1
    case.validate_response(answer, checks=list(_CHECKS))
    assert answer.status_code != 500, answer.text
    needs_admin: Any = case.operation.definition.raw["security"]
    if needs_admin and {} not in needs_admin and role != "admin":
        assert answer.status_code in _REFUSED_FIRST, (role, answer.status_code)


def _heal(session: requests.Session, target: Target) -> None:
    """Have everything work again, whatever the operation before this one has switched off."""

    def order(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        key = {"X-API-Key": target.keys["admin"]}
        url = f"{target.url}/api/v1/{path}"
        answer = session.request(method, url, headers=key, json=body, timeout=_PATIENCE_S)
        answer.raise_for_status()
        return answer.json()

    status = session.get(f"{target.url}/status", timeout=_PATIENCE_S).json()
    if status["system"]["draining"]:
        order("DELETE", "drain")
    for bot in status["bots"]:
        if not bot["is_active"]:
            order("POST", f"bots/{bot['name']}/start")
        if bot["maintenance"] is not None:
            order("DELETE", f"bots/{bot['name']}/maintenance")
    (ours,) = target.real["lobby_id"]
    for lobby in status["lobbies"]:
        fresh = lobby["lobby_id"] == ours and lobby["state"] == "waiting"
        if lobby["watched"] and lobby["state"] != "finished" and not fresh:
            order("DELETE", f"lobbies/{lobby['lobby_id']}?abandon=true")
    if not any(lobby["lobby_id"] == ours and lobby["state"] == "waiting" for lobby in status["lobbies"]):
        _until_free(session, target)
        target.real["lobby_id"] = [order("POST", "lobbies", LOBBY)["lobby_id"]]


def _until_free(session: requests.Session, target: Target) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        bots = session.get(f"{target.url}/status/bots?platform=dota2", timeout=_PATIENCE_S).json()["bots"]
        if any(bot["available"] for bot in bots):
            return
        assert time.monotonic() < end, bots
        time.sleep(0.02)
