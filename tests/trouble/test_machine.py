"""What the machine and its operator do to a fleet of both platforms: clocks, disks, databases, second processes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.app import application, load_fleet
from exporter.errors import FailureReason, StartError
from exporter.model import events as ev
from exporter.simulators.faults import Fault
from exporter.web.settings import WebSettings
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.deeds import Stage
from tests.trouble.mixed import BOTS, HOSTS, MixedFleet, config_of, mixed_fleet
from tests.trouble.test_each_fault import strike

TOKEN_S = 600.0
HALF_A_TOKEN_S = TOKEN_S / 2


async def written(fleet: MixedFleet) -> None:
    """Wait until the storage works and nothing waits for it."""
    await until(fleet, lambda: fleet.app.storage.idle and fleet.app.storage.stats.up)


async def until(fleet: MixedFleet, condition: Callable[[], object], limit_s: float = 600.0) -> None:
    end = fleet.clock.monotonic() + limit_s
    while not condition():
        assert fleet.clock.monotonic() < end
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("kind", ["database_away", "disk_full"])
async def test_a_database_in_trouble_concerns_no_bot_and_loses_nothing(kind: str, tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage, stats = Stage(fleet), fleet.app.storage.stats
        await written(fleet)
        end = await stage.begin(Fault(kind))
        for number in range(2000):  # what a full disk still has room for is soon used up
            fact = ev.CheckFailed(CATEGORIES[0], fleet.clock.now(), FailureReason.TIMEOUT, f"check {number}")
            fleet.app.store.apply(fact)
        await fleet.app.supervisor.restart(HOSTS[0])
        await until(fleet, lambda: not stats.up)
        await fleet.recover()
        lobby = {"name": "x", "server_region": "USE", "game_mode": "CM"}
        status, problem = await fleet.call("POST", "/api/v1/lobbies", lobby)
        assert (status, fleet.coordinator.world.lobbies) == (503, {}), problem  # refused before anything was sent
        assert (await fleet.metrics())["bot_exporter_storage_up", frozenset()] == 0
        for order in ("stop", "start"):  # these work without, though they wait a moment for the database
            assert (await fleet.call("POST", f"/api/v1/bots/{HOSTS[1]}/{order}?wait=60"))[0] in {200, 202}
            await fleet.until(HOSTS[1], lambda bot, want=order == "start": bot["is_active"] is want, 600.0)  # type: ignore[misc]
        await end()
        await written(fleet)
        await fleet.recover()
        await fleet.agree()
        assert stats.dropped == 0
        status, page = await fleet.call("GET", f"/status/history?bot={HOSTS[1]}&kind=order")
        assert status == 200
        assert [item["after"] for item in page["items"]] == ["done", "done"], page
        assert (await fleet.call("POST", "/api/v1/lobbies", lobby))[0] == 201
        await fleet.untouched(*CATEGORIES[1:])


async def test_tokens_that_cannot_be_written_are_used_all_the_same(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        await strike(fleet, stage, Fault("tokens_unwritable"), Fault("steam_revoke", detail="kick"), hold_s=20.0)
        told = [line for line in fleet.log if line["event"].startswith("the token cannot be kept")]
        assert len(told) >= len(HOSTS)
        await fleet.untouched(*CATEGORIES)


@pytest.mark.parametrize("jump", ["ahead 7200", "back 7200", "ahead 18060", "back 1000000"])
async def test_a_wall_clock_that_is_set_concerns_nobody(jump: str, tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        stage = Stage(fleet)
        status, lobby = await fleet.call(
            "POST", "/api/v1/lobbies", {"name": "x", "server_region": "USE", "game_mode": "CM", "bot": HOSTS[0]}
        )
        assert status == 201, lobby
        before = await fleet.metrics()
        await strike(fleet, stage, Fault("clock_jump", detail=jump), hold_s=60.0, ends="")
        await fleet.untouched(*BOTS)
        assert sum(fleet.site.stats.tokens.values()) == len(CATEGORIES)  # no token was asked for because of it
        assert (await fleet.call("DELETE", f"/api/v1/lobbies/{lobby['lobby_id']}"))[0] == 200
        await strike(fleet, stage, hold_s=1.0)  # a new connection is timed by the new clock
        after = await fleet.metrics()
        fallen = {
            key for key, value in before.items() if key[0].endswith(("_total", "_sum", "_count")) and after[key] < value
        }
        assert fallen == set()  # a counter never falls


async def test_tokens_are_renewed_at_half_life_though_the_clock_jumps_meanwhile(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path, site_token_s=TOKEN_S) as fleet:
        stage, tokens = Stage(fleet), fleet.site.stats.tokens
        for jump in ("ahead 7200", "back 14400"):
            await asyncio.sleep(HALF_A_TOKEN_S / 2 - 30.0)
            await stage.begin(Fault("clock_jump", detail=jump))
        assert sum(tokens.values()) == len(CATEGORIES)
        await until(fleet, lambda: sum(tokens.values()) == 2 * len(CATEGORIES), 120.0)
        await fleet.recover()
        await fleet.agree()
        await fleet.untouched(*CATEGORIES)


async def test_a_second_process_on_the_same_data_directory_is_refused_and_the_first_unharmed(tmp_path: Path) -> None:
    async with mixed_fleet(tmp_path) as fleet:
        files = {path: path.read_bytes() for path in (fleet.data / "tokens").iterdir()}
        with pytest.raises(StartError, match="uses the data directory"):
            async with application(load_fleet(fleet.folder / "config.yaml"), _ELSEWHERE, fleet.data):
                pass
        assert {path: path.read_bytes() for path in (fleet.data / "tokens").iterdir()} == files
        await fleet.untouched(*BOTS)
        await fleet.agree()


_ELSEWHERE = WebSettings(listen=(("127.0.0.1", 0),))


async def test_a_second_process_with_the_same_accounts_shows_and_ends_in_no_fight(tmp_path: Path) -> None:
    """Racetime bots live beside each other. Of two with a Steam account one plays, and the other says why not."""
    async with mixed_fleet(tmp_path) as fleet:
        (tmp_path / "two").mkdir()
        config = tmp_path / "two" / "config.yaml"
        config.write_text(config_of(fleet.site, fleet.steam))
        logons = len(fleet.steam.world.attempts)
        async with application(load_fleet(config), _ELSEWHERE, tmp_path / "two" / "data", clock=fleet.clock) as other:
            await until(fleet, lambda: all(other.store.bots[name].healthy for name in CATEGORIES))
            await asyncio.sleep(150.0)
            for name in HOSTS:
                first, second = fleet.app.store.bots[name], other.store.bots[name]
                assert first.healthy != second.healthy, (first, second)
                loser = second if first.healthy else first
                assert loser.status_message, loser
                assert loser.status_reason in {"service_unavailable", "other"}, loser
            assert len(fleet.steam.world.attempts) - logons < 6 * len(HOSTS)  # and does not logon for ever
        await fleet.recover()
