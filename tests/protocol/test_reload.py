"""A whole exporter whose configuration changes under it, seen from the site, /status and /metrics."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.model import events as ev
from exporter.platforms.racetime.client import Patience
from tests.eventually import eventually
from tests.protocol.fleet_rig import CATEGORIES, Fleet, Json, racetime_fleet


class Rig:
    """The fleet and its configuration file."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.folder = folder
        self.file = folder / "config.yaml"

    @property
    def text(self) -> str:
        return self.file.read_text()

    def without(self, name: str) -> str:
        return "\n".join(line for line in self.text.splitlines() if f"name: {name}," not in line)

    async def reload(self, text: str) -> None:
        self.file.write_text(text)
        await self.fleet.app.reloader.ask("a test")

    async def post(self, key: str | None = "the-key-of-boss") -> tuple[int, Json]:
        headers = {"X-API-Key": key} if key else {}
        async with self.fleet.session.post("/-/reload", headers=headers) as response:
            answer: Json = await response.json()
            return response.status, answer

    async def health(self) -> str:
        async with self.fleet.session.get("/health") as response:
            return str((await response.json())["status"])

    async def gauge(self, name: str) -> float:
        return (await self.fleet.metrics())[name, frozenset()]

    def since(self) -> dict[str, float | None]:
        return {name: record.connected_since for name, record in self.fleet.app.store.bots.items()}

    async def series_of(self, name: str) -> set[str]:
        return {key[0] for key in await self.fleet.metrics() if ("bot", name) in key[1]}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    # The site has no faults here: what is slow is this machine. The fixture's task is not the test's.
    patience = Patience(ping_s=2.0, close_s=0.1)
    async with racetime_fleet(tmp_path, poll_s=1.0, patience=patience, alone=False) as fleet:
        (tmp_path / "secrets" / "boss").write_text("the-key-of-boss")
        (tmp_path / "secrets" / "eye").write_text("the-key-of-eye")
        rig = Rig(fleet, tmp_path)
        keys = [
            {"name": "boss", "role": "admin", "key_file": "secrets/boss"},
            {"name": "eye", "role": "read", "key_file": "secrets/eye"},
        ]
        await rig.reload(f"web: {{keys: {json.dumps(keys)}}}\n{rig.text}")
        yield rig


SM = "  - {name: sm, platform: racetime, category: sm, client_id: demo-sm, client_secret: demo-sm-secret}"


async def test_bots_come_and_go_and_the_others_keep_their_sockets(rig: Rig) -> None:
    fleet, before = rig.fleet, rig.since()
    sockets = {socket.race: socket for socket in fleet.site.open_sockets()}
    fleet.site.world.open_race(
        fleet.site.world.categories["sm"], now=0.0, by=next(iter(fleet.site.world.users.values()))
    )
    await rig.reload(rig.without("ootr") + f"\n{SM}")
    await fleet.healthy("alttpr", "smz3", "sm")
    assert set(fleet.app.store.bots) == {"alttpr", "smz3", "sm"}
    assert {name: rig.since()[name] for name in ("alttpr", "smz3")} == {
        name: before[name] for name in ("alttpr", "smz3")
    }
    kept = {socket.race: socket for socket in fleet.site.open_sockets()}
    assert all(kept[race] is socket for race, socket in sockets.items() if race.category.slug in ("alttpr", "smz3"))
    await eventually(lambda: all(each.race.category.slug != "ootr" for each in fleet.site.open_sockets()))
    assert all(race.view.category != "ootr" for race in fleet.app.store.races.values())
    assert await rig.series_of("ootr") == set()
    assert "bot_up" in await rig.series_of("sm")
    assert ("bot_races", frozenset({("category", "ootr"), ("status", "open")})) not in await fleet.metrics()
    await fleet.untouched("alttpr", "smz3")
    lost = [change.event for change in fleet.changes if isinstance(change.event, ev.Disconnected)]
    assert [(each.bot, str(each.lost)) for each in lost] == [("ootr", "reload")]


async def test_a_renamed_bot_and_one_with_another_category(rig: Rig) -> None:
    fleet = rig.fleet
    text = rig.text.replace("name: ootr,", "name: zelda,")
    text = text.replace("category: smz3, client_id: demo-smz3", "category: sm, client_id: demo-sm")
    (rig.folder / "secrets" / "smz3").write_text("demo-sm-secret")
    await rig.reload(text)
    await fleet.healthy("alttpr")
    for name, category in (("zelda", "ootr"), ("smz3", "sm")):
        bot = await fleet.until(name, lambda bot: bool(bot["healthy"]))
        assert bot["category"] == category
    assert set(fleet.app.store.bots) == {"alttpr", "smz3", "zelda"}
    info = {key[1] for key in await fleet.metrics() if key[0] == "bot_info"}
    assert frozenset({("bot", "smz3"), ("platform", "racetime"), ("category", "sm")}) in info
    await eventually(lambda: {each.race.category.slug for each in fleet.site.open_sockets()} == {"alttpr", "ootr"})
    await fleet.untouched("alttpr")


async def test_other_credentials_in_the_file_begin_a_new_connection(rig: Rig) -> None:
    fleet = rig.fleet
    before, figures = rig.since(), fleet.app.supervisor.stats["ootr"]
    await rig.reload(rig.text.replace("client_secret_file: secrets/ootr", "client_secret: demo-ootr-secret"))
    await fleet.healthy()
    assert rig.since()["ootr"] != before["ootr"]
    assert (fleet.app.store.bots["ootr"].reconnects, fleet.app.supervisor.stats["ootr"]) == (1, figures)
    await fleet.untouched("alttpr", "smz3")
    assert {name: rig.since()[name] for name in ("alttpr", "smz3")} == {
        name: before[name] for name in ("alttpr", "smz3")
    }


async def test_active_starts_and_stops(rig: Rig) -> None:
    fleet, on = rig.fleet, rig.text
    await rig.reload(on.replace("name: ootr,", "name: ootr, active: false,"))
    bot = await fleet.bot("ootr")
    assert (bot["status_name"], bot["is_active"], bot["races"]) == ("disconnected", False, [])
    await eventually(lambda: all(each.race.category.slug != "ootr" for each in fleet.site.open_sockets()))
    await rig.reload(on)
    await fleet.healthy()
    await fleet.untouched("alttpr", "smz3")


async def test_a_bad_file_keeps_everything_and_says_what_is_wrong(rig: Rig) -> None:
    fleet, good, before = rig.fleet, rig.text, rig.since()
    loaded_at = await rig.gauge("bot_exporter_config_last_reload_success_timestamp_seconds")
    system = (await fleet.status())["system"]
    rig.file.write_text(rig.without("ootr") + f"\n{SM}\n  - {{name: B, platform: dota3}}\npots: []\n")
    status, problem = await rig.post()
    assert status == 422
    assert "3 mistakes" in problem["detail"]
    assert [each["key"] for each in problem["errors"]] == ["bots[3].name", "bots[3].platform", "pots"]
    assert all(each["file"] == str(rig.file) and each["line"] > 4 for each in problem["errors"])
    assert await rig.health() == "degraded"
    assert await rig.gauge("bot_exporter_config_last_reload_successful") == 0
    assert await rig.gauge("bot_exporter_config_last_reload_success_timestamp_seconds") == loaded_at
    assert set((await fleet.status())["system"]) == set(system)
    await fleet.agree()
    assert rig.since() == before
    rig.file.write_text(good)
    status, done = await rig.post()
    assert (status, done) == (200, {"added": [], "removed": [], "changed": [], "unchanged": 3, "needs_restart": []})
    assert await rig.health() == "ok"
    assert await rig.gauge("bot_exporter_config_last_reload_successful") == 1
    assert await rig.gauge("bot_exporter_config_last_reload_success_timestamp_seconds") > loaded_at
    assert rig.since() == before


async def test_what_cannot_change_is_named_and_the_rest_is_used(rig: Rig) -> None:
    rig.file.write_text(rig.without("ootr").replace("poll_interval: 1000ms", "poll_interval: 1h"))
    status, done = await rig.post()
    assert (status, done["removed"], done["needs_restart"]) == (200, ["ootr"], ["racetime.poll_interval"])
    polled = rig.fleet.app.store.bots["alttpr"].last_status_check_at
    await eventually(lambda: rig.fleet.app.store.bots["alttpr"].last_status_check_at != polled)


async def test_a_corrected_secret_file_is_used_at_once(rig: Rig) -> None:
    fleet = rig.fleet
    secret = rig.folder / "secrets" / "new"
    secret.write_text("a mistake")
    line = SM.replace("client_secret: demo-sm-secret", "client_secret_file: secrets/new")
    await rig.reload(f"{rig.text}\n{line}")
    await fleet.until("sm", lambda bot: bot["status_name"] == "auth_failed")
    secret.write_text("demo-sm-secret")
    await fleet.app.reloader.ask("a test")
    await fleet.until("sm", lambda bot: bool(bot["healthy"]))
    await fleet.untouched(*CATEGORIES)


async def test_a_changed_secret_is_tried_behind_the_connection(rig: Rig) -> None:
    """The bot stays connected by its token; whether the new secret is good is known with the next poll."""
    fleet, before = rig.fleet, rig.since()
    tokens = fleet.site.stats.tokens
    asked = tokens["demo-ootr"]
    bot = next(each for each in fleet.site.world.bots.values() if each.client_id == "demo-ootr")
    bot.client_secret = "another-secret"
    (rig.folder / "secrets" / "ootr").write_text("another-secret")
    await fleet.app.reloader.ask("a test")
    await eventually(lambda: tokens["demo-ootr"] == asked + 1)
    await fleet.healthy()
    assert rig.since() == before
    await fleet.untouched(*CATEGORIES)


async def test_a_secret_file_that_is_gone_makes_the_configuration_bad(rig: Rig) -> None:
    (rig.folder / "secrets" / "ootr").unlink()
    with pytest.raises(ConfigError, match=r"client_secret_file: secret file .*secrets/ootr cannot be read"):
        await rig.fleet.app.reloader.ask("a test")
    await rig.fleet.healthy()


async def test_key_files_are_read_again(rig: Rig) -> None:
    assert (await rig.post(None))[0] == 401
    assert (await rig.post("the-key-of-eye"))[0] == 403
    (rig.folder / "secrets" / "boss").write_text("a-new-key")
    assert (await rig.post("a-new-key"))[0] == 401
    assert (await rig.post())[0] == 200
    assert (await rig.post())[0] == 401
    assert (await rig.post("a-new-key"))[0] == 200
    (rig.folder / "secrets" / "eye").unlink()
    status, problem = await rig.post("a-new-key")
    assert (status, [each["key"] for each in problem["errors"]]) == (422, ["web.keys[1].key_file"])
    assert (await rig.post("the-key-of-eye"))[0] == 403  # it is still known


async def test_the_first_bot_of_another_platform_brings_its_figures(rig: Rig) -> None:
    assert (await rig.fleet.status())["system"]["steam"] is None
    was = rig.text
    await rig.reload(f"{was}\n  - {{name: d, platform: dota2, active: false, username: gaben, password: x}}")
    status = await rig.fleet.status()
    assert status["system"]["steam"] == {"logon_queue_length": 0, "logon_cooldown_until": None}
    assert await rig.gauge("bot_steam_logon_queue_length") == 0
    await rig.reload(was)
    assert (await rig.fleet.status())["system"]["steam"] is None


async def test_a_reload_while_draining(rig: Rig) -> None:
    """New bots take on nothing, and what a removed one did is not waited for."""
    fleet, app = rig.fleet, rig.fleet.app
    draining = asyncio.create_task(app.drain(30))
    await eventually(lambda: app.process.draining)
    sm = fleet.site.world.categories["sm"]
    fleet.site.world.open_race(sm, now=0.0, by=next(iter(fleet.site.world.users.values())))
    await rig.reload(rig.without("ootr") + f"\n{SM}")
    await fleet.until("sm", lambda bot: bool(bot["healthy"]))
    assert {race.view.category for race in app.store.races.values()} == {"alttpr", "smz3"}
    assert not draining.done()
    await rig.reload("\n".join(line for line in rig.text.splitlines() if "smz3" not in line and "alttpr" not in line))
    await draining
    assert set(app.store.bots) == {"sm"}
