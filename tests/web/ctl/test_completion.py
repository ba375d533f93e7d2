"""Completion by the running server: names where it answers, nothing and no word where it does not."""

import asyncio
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from exporter.ctl.complete import QUICK_S
from exporter.ctl.main import COMMANDS, botctl
from tests.web.control.rig import control_rig


async def completed(*words: str) -> list[tuple[str, str | None]]:
    shell = BashComplete(botctl, {}, "botctl", "_BOTCTL_COMPLETE")
    found = await asyncio.to_thread(shell.get_completions, list(words[:-1]), words[-1])
    return [(each.value, each.help) for each in found]


async def test_names_come_from_the_server(tmp_path: Path) -> None:
    async with control_rig(tmp_path, bots=2, races=["alttpr"]) as rig:
        data = f"--data.dir={tmp_path / 'data'}"
        assert await completed(data, "stop", "lobby") == [("lobby-1", "Connected"), ("lobby-2", "Connected")]
        assert await completed("stop", data, "") == [
            ("lobby-1", "Connected"), ("lobby-2", "Connected"), ("alttpr", "Connected"),
        ]  # fmt: skip
        for command in ("start", "restart", "guard-code", "maintenance", "explain", "history", "watch"):
            assert ("alttpr", "Connected") in await completed(data, command, "a"), command
        lobby_id = await rig.lobby(name="[bold]cup[/]")
        assert await completed(data, "lobby", "launch", "") == [(lobby_id, "[bold]cup[/]")]
        race = await rig.ok("/api/v1/races", {"category": "alttpr", "goal": "Beat the game"})
        assert await completed(data, "race", "begin", "altt") == [(race["name"], race["state"])]
        assert await completed(data, "lobby", "create", "x", "--bot", "lobby-2") == [("lobby-2", "Connected")]


async def test_without_a_server_there_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert await completed(f"--data.dir={tmp_path}", "stop", "") == []
    assert await completed("--url=http://127.0.0.1:1", "stop", "") == []
    assert await completed("--url=nonsense", "stop", "") == []
    assert capfd.readouterr() == ("", "")


async def test_a_server_that_is_slow_is_not_waited_for() -> None:
    held = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    listening = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with listening:
        url = "http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())
        begun = asyncio.get_running_loop().time()
        assert await completed(f"--url={url}", "stop", "") == []
        assert asyncio.get_running_loop().time() - begun >= QUICK_S
        held.set()


async def test_commands_are_completed_without_a_server() -> None:
    assert [name for name, _ in await completed("")] == list(COMMANDS)
    assert [name for name, _ in await completed("lobby", "")] == ["close", "create", "invite", "kick", "launch", "show"]
