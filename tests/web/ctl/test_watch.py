"""The command that watches, in a pipe: a picture once, a line for each change, or one frame a line."""

import json
from typing import Any

from tests.unit.ctl.answers import fleet, status
from tests.web.ctl.feed import Script, answer, frame, scripted, sending
from tests.web.ctl.rig import Ended, botctl

GONE = answer(401, "the key was revoked")  # nothing else ends it, but Ctrl-C


def snapshot(data: Any) -> list[str]:
    found = [frame("snapshot", 0, "bot", each["name"], each) for each in data["bots"]]
    found += [frame("snapshot", 0, "lobby", each["lobby_id"], each) for each in data["lobbies"]]
    found += [frame("snapshot", 0, "race", each["name"], each) for each in data["races"]]
    return [*found, frame("snapshot", 0, "system", None, data["system"]), frame("snapshot", 1)]


async def watched(*frames: str, arguments: tuple[str, ...] = ()) -> tuple[Ended, Script]:
    script = Script([sending(*frames), GONE])
    async with scripted(script) as url:
        return await botctl("watch", "--url", url, *arguments), script


async def test_a_picture_and_then_lines() -> None:
    data = status(fleet())
    sm = next(each for each in data["bots"] if each["name"] == "sm")
    well = {**sm, "status_name": "connected", "status_reason": None}
    ended, script = await watched(*snapshot(data), frame("change", 2, "bot", "sm", well))
    picture, _, rest = ended.out.partition("RACE ")
    assert "7 bots: 1 available" in picture
    assert "✗ auth failed" in picture
    assert rest.splitlines()[-1][8:] == "  sm  ✗ auth failed, invalid credentials → ✓ connected"
    assert ended.code == 1
    assert "coming back, to go on after boot-2" in ended.err
    assert "not allowed (401): the key was revoked" in ended.err
    assert [path.rpartition("?")[2] for path, _ in script.asked] == ["/fleet/status/stream", "since=boot-2"]


async def test_frames_as_they_come() -> None:
    frames = [*snapshot(status(fleet())), frame("heartbeat", 1)]
    options = ("--output=json", "--platform=dota2", "--kind=bot", "--kind=lobby", "lobby-2")
    ended, script = await watched(*frames, arguments=options)
    assert [json.loads(line) for line in ended.out.splitlines()] == [json.loads(each) for each in frames]
    assert [json.loads(line)["title"] for line in ended.err.splitlines()] == ["Unreachable", "no"]
    assert script.asked[0][0].partition("?")[2] == "bot=lobby-2&platform=dota2&kind=bot&kind=lobby"


async def test_a_server_that_has_no_feed_is_told() -> None:
    async with scripted(Script([answer(404, "there is nothing at this path")])) as url:
        ended = await botctl("watch", "--url", url)
    assert (ended.code, ended.out) == (1, "")
    assert "not found (404): there is nothing at this path" in ended.err


async def test_no_server_is_unreachable() -> None:
    async with scripted(Script([])) as url:
        pass
    ended = await botctl("watch", "--url", url)
    assert (ended.code, "nothing answers at" in ended.err) == (3, True)
