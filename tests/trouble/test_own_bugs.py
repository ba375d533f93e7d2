"""A mistake in a bot's own code, an exception that no platform expects: counted, shown, tried again, and alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.config import Config
from exporter.platforms import PLATFORMS
from exporter.platforms.base import Bot, BotContext, Platform, Service
from exporter.timing import Clock
from tests.protocol.fleet_rig import CATEGORIES
from tests.trouble.mixed import BOTS, HOSTS, MixedFleet, mixed_fleet


class Mistaken:
    """A bot that lives as any other, until its mistake is met."""

    def __init__(self, bot: Bot, met: asyncio.Event) -> None:
        self._bot = bot
        self._met = met

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bot, name)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bot.run())
            await self._met.wait()
            self._met.clear()
            raise ZeroDivisionError("of the bot's own")


def with_a_mistake(platform: Platform, name: str, met: asyncio.Event) -> Platform:
    """Return the platform, one of whose bots has a mistake."""

    class Services:
        def __init__(self, service: Service) -> None:
            self._service = service
            self.logons = service.logons
            self.queue = service.queue

        def bot(self, options: Any, context: BotContext) -> Any:
            bot = self._service.bot(options, context)
            return Mistaken(bot, met) if context.name == name else bot

    @asynccontextmanager
    async def open_service(config: Config, clock: Clock, data_dir: Path) -> AsyncIterator[Service]:
        async with platform.open_service(config, clock, data_dir) as service:
            yield Services(service)

    return replace(platform, open_service=open_service)


async def crashes(fleet: MixedFleet) -> dict[str, float]:
    metrics = await fleet.metrics()
    found = {dict(labels)["bot"]: value for (name, labels), value in metrics.items() if name == "bot_crashes_total"}
    assert set(found) == set(BOTS)
    return found


@pytest.mark.parametrize("name", [CATEGORIES[0], HOSTS[0]])
async def test_a_bot_with_a_mistake_of_its_own(name: str, tmp_path: Path) -> None:
    met, others = asyncio.Event(), [each for each in BOTS if each != name]
    platforms = {key: with_a_mistake(platform, name, met) for key, platform in PLATFORMS.items()}
    async with mixed_fleet(tmp_path, platforms=platforms) as fleet:
        levels = fleet.levels()
        for number in (1, 2):
            met.set()
            fleet.crashed[name] = number
            bot = await fleet.until(name, lambda bot: bot["status_name"] == "connection_error", 60.0)
            assert (bot["state"], bot["healthy"]) == ("disconnected", False)
            assert bot["status_message"] == "internal error: ZeroDivisionError (see the log)"
            assert bot["next_retry_at"] is not None
            assert await crashes(fleet) == {each: number if each == name else 0 for each in BOTS}
            await fleet.recover()
        page = (await fleet.call("GET", f"/status/history?bot={name}&kind=error"))[1]
        assert [item["message"] for item in page["items"]] == [bot["status_message"]] * 2
        told = [line for line in fleet.log if line["event"] == "the bot crashed: this is a bug"]
        assert [line["bot"] for line in told] == [name] * 2
        assert all(isinstance(line["exc_info"], ZeroDivisionError) for line in told)  # the log has the traceback
        for line in told:
            fleet.log.remove(line)  # all others have to be clean
        await fleet.untouched(*others)
        await fleet.agree()
        await fleet.settled(levels)
