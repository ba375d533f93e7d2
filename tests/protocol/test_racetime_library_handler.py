"""Handlers written for the public racetime-bot library run unchanged on the seam in rooms and handlers.

The adapter here is what a plug-in needs; it shows that the seam gives it everything: each message as the site sent
it, a `ws` to send through, and one `begin` however often the socket comes back.
"""

import json
import logging
from typing import Any

import pytest
from racetime_bot import RaceHandler

from exporter.errors import OrderRefused
from exporter.model.status import RaceView
from exporter.platforms.racetime.actions import action
from exporter.platforms.racetime.handlers import LiveRoom, RoomHandler
from exporter.platforms.racetime.messages import ChatMessage
from tests.eventually import eventually
from tests.protocol.racetime_rig import Rig

CHAT = "hello from a handler of the library"


class SeedBot(RaceHandler):  # type: ignore[misc]  # the library has no types
    """A handler as people have them: greets once, answers a command."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.errors: list[str] = []
        self.seen: list[str] = []

    async def begin(self) -> None:
        await self.send_message(CHAT)
        await self.set_bot_raceinfo("seed 1")

    async def ex_seed(self, args: list[str], message: dict[str, Any]) -> None:
        await self.send_message(f"a seed for {message['user']['name']}: {' '.join(args)}")

    async def consume(self, data: dict[str, Any]) -> None:
        self.seen.append(data["type"])
        await super().consume(data)


class Adapter(RoomHandler):
    """Runs one library handler in one room."""

    def __init__(self, handler: RaceHandler) -> None:
        self.handler = handler
        self._room: LiveRoom | None = None

    async def send(self, text: str) -> None:
        """Act as the handler's `ws`."""
        wanted = json.loads(text)
        data = {key: value for key, value in wanted.get("data", {}).items() if value is not None}
        assert self._room is not None
        await self._room.act(action(wanted["action"], data))

    async def begin(self, room: LiveRoom) -> None:
        self._room = room
        self.handler.ws = self
        await self.handler.begin()

    async def frame(self, message: dict[str, object]) -> None:
        await self.handler.consume(message)

    async def race_data(self, view: RaceView) -> None:
        """The library's handler reads the frame."""

    async def chat_message(self, message: ChatMessage) -> None:
        """The library's handler reads the frame."""

    async def end(self) -> None:
        await self.handler.end()


@pytest.fixture
def adapter() -> Adapter:
    return Adapter(SeedBot(logger=logging.getLogger("racetime-library"), conn=None, state={}, command_prefix="!"))


async def test_a_library_handler_runs_unchanged(rig: Rig, adapter: Adapter) -> None:
    race = rig.room(by=rig.scene.racers[0])
    async with rig.running(rig.guest(handlers=lambda _: adapter)):
        await eventually(lambda: race.settings.info_bot == "seed 1")
        rig.world.chat(race, rig.scene.racers[0], "!seed hard please", rig.now)
        await eventually(lambda: any("a seed for" in line.text for line in race.messages))
        assert adapter.handler.data["name"] == str(race)
        await rig.simulator.crash()
        await rig.simulator.start()
        await eventually(lambda: rig.simulator.stats.sockets_opened[race.slug] == 2 and rig.connected(race))
        rig.world.chat(race, rig.scene.racers[0], "!seed again", rig.now)
        await eventually(lambda: any("again" in line.text for line in race.messages if line.bot))
    greetings = [line for line in race.messages if line.text == CHAT]
    assert len(greetings) == 1  # no second greeting after the reconnect
    assert {"race.data", "race.renders", "chat.message"} <= set(adapter.handler.seen)


async def test_an_error_that_the_handler_raises_by_default_stays_in_its_room(rig: Rig, adapter: Adapter) -> None:
    race = rig.room(by=rig.scene.racers[0])
    async with rig.running(rig.guest(handlers=lambda _: adapter)) as guest:
        await eventually(lambda: race.settings.info_bot == "seed 1")
        room = guest.bot.room(race.slug)
        assert room is not None
        with pytest.raises(OrderRefused, match="not an invitational"):
            await room.act(action("make_open", {}))
        assert room.watch.calls is not None
        calls = room.watch.calls
        await eventually(lambda: calls.failures == 1)
        rig.world.chat(race, rig.scene.racers[0], "!seed still alive", rig.now)
        await eventually(lambda: any("still alive" in line.text for line in race.messages if line.bot))
        assert guest.record.healthy
