"""POST /-/reload over HTTP: who may, and what comes back."""

from exporter.errors import ConfigError, Problem
from exporter.model.states import PlatformTraits
from exporter.reconcile import Plan
from exporter.reload import Reloaded, Stopping
from exporter.supervisor import BotSpec
from exporter.web.keys import AccessRules
from exporter.web.settings import WebSettings
from tests.web.fleet import ADMIN_KEY, KEYS, RACETIME, READ_KEY, Fleet

SETTINGS = WebSettings(listen=(("127.0.0.1", 0),), access=AccessRules(KEYS))
ADMIN = {"X-API-Key": ADMIN_KEY}


class Options:
    subject = "sm"


def spec(name: str, traits: PlatformTraits = RACETIME) -> BotSpec:
    return BotSpec(name, traits, Options(), active=True)


async def test_only_admins_reload_and_only_by_post() -> None:
    async with Fleet(SETTINGS) as fleet:
        assert (await fleet.call("/-/reload", "POST")).status == 401
        assert (await fleet.call("/-/reload", "POST", headers={"X-API-Key": READ_KEY})).status == 403
        assert (await fleet.call("/-/reload", "POST", headers=ADMIN | {"Origin": "https://evil.example"})).status == 403
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = await fleet.call("/-/reload", method, headers=ADMIN)
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_what_a_reload_did() -> None:
    async with Fleet(SETTINGS) as fleet:
        steps = Plan(("gone",), (spec("other"),), (spec("secret"),), (spec("off"),), (spec("new"),), ("same",))
        fleet.reloaded = Reloaded(steps, ("racetime.url",))
        answer = await fleet.call("/-/reload", "POST", headers=ADMIN)
        assert (answer.status, await answer.json()) == (
            200,
            {
                "added": ["new"],
                "removed": ["gone"],
                "changed": ["other", "secret", "off"],
                "unchanged": 1,
                "needs_restart": ["racetime.url"],
            },
        )


async def test_a_wrong_configuration_is_a_problem_with_every_mistake() -> None:
    problems = [Problem("config.yaml", 3, "bots[0].name", "is missing"), Problem("b.yaml", 1, "", "is empty")]
    async with Fleet(SETTINGS) as fleet:
        fleet.reloaded = ConfigError(problems)
        answer = await fleet.call("/-/reload", "POST", headers=ADMIN)
        assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
        problem = await answer.json()
        assert problem["errors"] == [
            {"file": "b.yaml", "line": 1, "key": "", "message": "is empty"},
            {"file": "config.yaml", "line": 3, "key": "bots[0].name", "message": "is missing"},
        ]
        assert (problem["status"], problem["instance"]) == (422, "/-/reload")
        assert "has 2 mistakes" in problem["detail"]
        assert "b.yaml:1: is empty" in problem["detail"]
        fleet.reloaded = ConfigError(problems[:1])
        assert "has 1 mistake and" in (await (await fleet.call("/-/reload", "POST", headers=ADMIN)).json())["detail"]


async def test_at_the_end_of_the_process() -> None:
    async with Fleet(SETTINGS) as fleet:
        fleet.reloaded = Stopping("the process is about to end")
        assert (await fleet.call("/-/reload", "POST", headers=ADMIN)).status == 503
