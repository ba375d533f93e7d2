"""The captured HTTP cases of the real server, asked of the simulator."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest

from exporter.simulators.racetime import RacetimeSimulator
from tests.clock import ManualClock
from tests.unit.simulators.racetime_scene import NOW, Scene, captured, shape

OK = {"client_id": "bot-1", "client_secret": "secret-1", "grant_type": "client_credentials"}

BASIC = "Basic " + b64encode(b"bot-1:secret-1").decode()

TOKEN_REQUESTS: dict[str, dict[str, Any]] = {
    "ok": {"data": OK},
    "ok_basic_auth": {"data": {"grant_type": OK["grant_type"]}, "headers": {"Authorization": BASIC}},
    "wrong_secret": {"data": {**OK, "client_secret": "x"}},
    "wrong_client_id": {"data": {**OK, "client_id": "x"}},
    "missing_grant": {"data": {key: OK[key] for key in ("client_id", "client_secret")}},
    "bad_grant": {"data": {**OK, "grant_type": "password"}},
    "no_secret": {"data": {key: OK[key] for key in ("client_id", "grant_type")}},
    "json_body": {"json": OK},
    "bad_scope": {"data": {**OK, "scope": "everything"}},
    "narrow_scope": {"data": {**OK, "scope": "read"}},
}
# They belong to what a bot has no use for.
NOT_SIMULATED = ("leaderboards", "user_search")


@dataclass
class Site:
    scene: Scene
    clock: ManualClock
    simulator: RacetimeSimulator
    http: aiohttp.ClientSession

    def bearer(self, client_id: str, *scopes: str) -> dict[str, str]:
        """Return the header of a fresh token."""
        bot = self.scene.world.bots[client_id]
        token = self.scene.world.issue_token(bot, self.clock.now(), **({"scopes": scopes} if scopes else {}))
        return {"Authorization": f"Bearer {token.value}"}

    async def status(self, path: str, client_id: str | None = None) -> int:
        headers = self.bearer(client_id) if client_id else {}
        async with self.http.get(path, headers=headers) as answer:
            await answer.read()
            return answer.status


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    scene, clock = Scene(), ManualClock(NOW)
    simulator = RacetimeSimulator(scene.world, clock=clock)
    await simulator.start()
    async with aiohttp.ClientSession(simulator.url) as http:
        yield Site(scene, clock, simulator, http)
    await simulator.stop()


def header_shape(headers: Any) -> dict[str, Any]:
    """Return the headers that matter; the length and the server software may differ."""
    kept = {name: shape(value) for name, value in headers.items()}
    for name in ("Content-Length", "Server", "Date"):
        kept.pop(name, None)
    return kept


@pytest.mark.parametrize("case", captured("http_token_and_data.json"), ids=lambda case: case["name"].split()[-1])
async def test_tokens_and_public_data_are_answered_as_captured(site: Site, case: dict[str, Any]) -> None:
    name = case["name"]
    if not name.startswith("GET "):
        method, path = ("GET" if name == "get" else "POST"), "/o/token"
        request = TOKEN_REQUESTS.get(name, {})
    else:
        _, name, path = name.split(" ")
        method, request = "GET", {}
        if name in NOT_SIMULATED:
            return
        owner = {"oauth_cat": "bot-1", "oauth_cat_other": "bot-1", "userinfo_bot": "bot-1"}.get(name)
        if owner:
            request = {"headers": site.bearer(owner)}
        elif name in {"oauth_cat_bad", "races"}:
            request = {"headers": {"Authorization": "Bearer nonsense"}}

    async with site.http.request(method, path, **request) as answer:
        assert answer.status == case["status"]
        ours, real = header_shape(answer.headers), header_shape(case["headers"])
        if name in {"races", "trailing_slash"}:
            ours.pop("Vary"), real.pop("Vary")
        assert ours == real
        body: Any = await answer.text()
        if answer.content_type == "application/json":
            body = await answer.json()
            if "access_token" in body:
                assert len(body["access_token"]) == 30
                body["access_token"] = "ACCESS_TOKEN"
            if "categories" in body:
                assert [each["slug"] for each in body["categories"]][-1] == "testcat5"
        assert shape(body) == shape(case["body"])


CASE_OWNERS = {
    "startrace no auth": None,
    "startrace bogus token": "nonsense",
    "startrace narrow scope": "read only",
    "startrace other bot": "bot-2",
    "o/cat/data with other category bot (after cached)": "bot-2",
    "o/cat/data bogus (after cached)": "nonsense",
    "edit other bot": "bot-2",
    "edit bogus token": "nonsense",
    "inactive category startrace": "bot-5",
    "use revoked": "revoked",
}
CASES_NOT_SIMULATED = ("race renders", "race log", "race csv", "sahabot2-style", "bot pin over http")


async def test_startrace_edit_and_caches_answer_as_captured(site: Site) -> None:
    scene = site.scene
    slugs: dict[str, str] = {}
    revoked = site.bearer("bot-2")
    warm_up = await site.status("/o/testcat/data", "bot-1")
    assert warm_up == 200
    played = 0
    for case in captured("http/all_cases.json"):
        name, path = case["case"], case["path"]
        if name.startswith(CASES_NOT_SIMULATED):
            continue
        for old, new in slugs.items():
            path = path.replace(old, new)
        owner = CASE_OWNERS.get(name, "bot-1")
        headers = {
            None: {},
            "nonsense": {"Authorization": "Bearer nonsense"},
            "revoked": revoked,
            "read only": site.bearer("bot-1", "read"),
        }.get(owner) or (site.bearer(owner) if owner in scene.world.bots else {})
        form = dict(parse_qsl(case["form"] or "", keep_blank_values=True))
        request: dict[str, Any] = {"data": form} if case["method"] == "POST" else {}
        if name == "revoke_token":
            secrets = {"client_id": "bot-2", "client_secret": "secret-2"}
            request = {"data": {"token": revoked["Authorization"].split()[1], **secrets}}
        if name == "startrace json body":
            request = {"json": {"goal": "Any%"}}
        if name == "inactive category data":
            scene.world.categories["testcat5"].active = False
        if name == "o/cat/data with other category bot (after cached)":
            await site.clock.advance(60.1)
            assert await site.status("/o/testcat/data", "bot-1") == 200

        async with site.http.request(case["method"], path, headers=headers, **request) as answer:
            body = await answer.text()
            assert answer.status == case["status"], name
            assert answer.headers.get("Location", "").count("/") == (case["location"] or "").count("/"), name
            assert answer.headers["Content-Type"] == case["ctype"], name
            if answer.status == 422:
                assert await answer.json() == json.loads(case["body"]), name
            elif answer.status != 200:
                assert body == case["body"], name
            if case["location"]:
                slugs[case["location"].split("/")[-1]] = answer.headers["Location"].split("/")[-1]
        played += 1

    assert played == 32
    unlisted = scene.world.find_race(slugs["funky-wiggler-2980"])
    assert unlisted is not None
    await site.clock.advance(60.1)
    async with site.http.get(f"/{unlisted}/data") as answer:
        real, ours = captured("http/race_data_open_unlisted_bot_opened.json"), await answer.json()
        assert shape(ours) == shape(real)
    scene.world.cancel(unlisted, None, site.clock.now(), reason="test")


async def test_lists_look_as_captured(site: Site) -> None:
    world, now = site.scene.world, site.clock.now()
    settings = {"goal": "Any%"}
    world.start_race(site.scene.bot, site.scene.category, settings, now)
    hidden = {**settings, "unlisted": "true", "invitational": "true", "info_user": "user info", "info_bot": "bot info"}
    world.start_race(site.scene.bot, site.scene.category, hidden, now)
    world.start_race(site.scene.bot, site.scene.category, {"custom_goal": "My goal"}, now)
    headers = site.bearer("bot-1")
    for path, name in (
        ("/testcat/data", "category_data"),
        ("/o/testcat/data", "o_category_data"),
        ("/races/data", "races_data"),
        ("/categories/data", "categories_data"),
    ):
        async with site.http.get(path, headers=headers) as answer:
            assert shape(await answer.json()) == shape(captured(f"http/{name}.json")), name


async def test_a_new_room_shows_at_once_to_the_public_and_after_a_minute_to_the_bot(site: Site) -> None:
    headers = site.bearer("bot-1")

    async def rooms(path: str) -> int:
        async with site.http.get(path, headers=headers) as answer:
            assert answer.status == 200
            return len((await answer.json())["current_races"])

    assert await rooms("/testcat/data") == await rooms("/o/testcat/data") == 0
    race = site.scene.room()
    assert (await rooms("/testcat/data"), await rooms("/o/testcat/data")) == (1, 0)
    await site.clock.advance(59.9)
    assert await rooms("/o/testcat/data") == 0
    await site.clock.advance(0.2)
    assert await rooms("/o/testcat/data") == 1
    site.scene.world.cancel(race, None, site.clock.now(), reason="test")
    assert (await rooms("/testcat/data"), await rooms("/o/testcat/data")) == (0, 1)
    assert site.simulator.stats.polls["testcat"] == 5


async def test_a_foreign_bot_reads_a_warm_copy_only(site: Site) -> None:
    assert await site.status("/o/testcat/data", "bot-2") == 403
    assert await site.status("/o/testcat/data", "bot-1") == 200
    assert await site.status("/o/testcat/data", "bot-2") == 200
    await site.clock.advance(60.1)
    assert await site.status("/o/testcat/data", "bot-2") == 403


async def test_race_data_is_kept_for_five_seconds(site: Site) -> None:
    race = site.scene.room()

    async def version() -> int:
        async with site.http.get(f"/{race}.json") as answer:
            number: int = (await answer.json())["version"]
            return number

    assert await version() == 1
    site.scene.world.join(race, site.scene.racers[0], site.clock.now())
    assert await version() == 1
    await site.clock.advance(5.1)
    assert await version() == 2


async def test_tokens_end_with_time_revocation_and_deactivation(site: Site) -> None:
    world, bot = site.scene.world, site.scene.bot
    headers = site.bearer("bot-1")

    async def poll() -> int:
        async with site.http.get("/o/testcat/data", headers=headers) as answer:
            return answer.status

    assert await poll() == 200
    world.expire_tokens(bot, site.clock.now())
    assert await poll() == 403
    headers = site.bearer("bot-1")
    assert await poll() == 200
    world.deactivate_bot(bot)
    assert await poll() == 403
    async with site.http.post("/o/token", data=OK) as answer:
        assert (answer.status, await answer.json()) == (401, {"error": "invalid_client"})
    world.reactivate_bot(bot, client_id="bot-1", client_secret="renewed")
    async with site.http.post("/o/token", data={**OK, "client_secret": "renewed"}) as answer:
        assert answer.status == 200
    assert site.simulator.stats.tokens["bot-1"] == 2


async def test_an_edit_resets_what_it_leaves_out(site: Site) -> None:
    race = site.scene.room(unlisted=True, info_bot="seed", time_limit_h=2)
    async with site.http.post(
        f"/o/{race}/edit", data={"goal": "Beat the game", "auto_start": "false"}, headers=site.bearer("bot-1")
    ) as answer:
        assert answer.status == 200
    chosen = race.settings
    assert (chosen.unlisted, chosen.streaming_required, chosen.info_bot, chosen.time_limit_h, chosen.auto_start) == (
        False,
        True,
        "",
        24,
        False,
    )
    site.scene.world.cancel(race, None, site.clock.now(), reason="test")
    async with site.http.post(f"/o/{race}/edit", data={"goal": "Any%"}, headers=site.bearer("bot-1")) as answer:
        assert (answer.status, await answer.text()) == (403, "")


async def test_a_race_has_a_page_for_people(site: Site) -> None:
    site.scene.racers[0].name = "<b>Bold</b>"
    race = site.scene.room(by=site.scene.racers[0])
    site.scene.world.join(race, site.scene.racers[0], site.scene.now)
    async with site.http.get(f"/{race}") as answer:
        page = await answer.text()
        assert answer.status == 200
    assert str(race) in page
    assert "&lt;b&gt;Bold" in page
    async with site.http.get("/testcat/no-such-race-0000") as answer:
        assert answer.status == 404
