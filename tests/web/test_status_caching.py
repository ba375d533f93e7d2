"""Answers of /status that the client has already, and compressed ones."""

from typing import Any

import pytest

from exporter.model import events as ev
from tests.web.fleet import LOBBY_ID, NOW, RACETIME, Fleet

PATHS = [
    "/status",
    "/status/system",
    "/status/bots",
    "/status/bots?status=connected",
    "/status/bots/dire",
    "/status/lobbies",
    f"/status/lobbies/{LOBBY_ID}",
    "/status/races",
    "/status/races/alttpr/lucky-link-1",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_has_the_answer_gets_304(fleet: Fleet, path: str) -> None:
    answer = await fleet.call(path)
    tag = answer.headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = await fleet.call(path, headers={"If-None-Match": known})
        assert (again.status, await again.read()) == (304, b""), known
        assert (again.headers["ETag"], again.headers["Vary"]) == (tag, "Accept-Encoding")
    for other in ('"other"', 'W/"0-0"', "", "nonsense"):
        whole = await fleet.call(path, headers={"If-None-Match": other})
        assert (whole.status, await whole.read()) == (200, await answer.read())
    head = await fleet.call(path, "HEAD", headers={"If-None-Match": tag})
    assert head.status == 304


@pytest.mark.parametrize("path", ["/status", "/status/system", "/status/bots", "/status/bots?healthy=true"])
async def test_a_change_is_another_answer(fleet: Fleet, path: str) -> None:
    tag = (await fleet.call(path)).headers["ETag"]
    fleet.add("newcomer")
    fleet.connect("newcomer")
    answer = await fleet.call(path, headers={"If-None-Match": tag})
    assert answer.status == 200
    assert answer.headers["ETag"] != tag


async def test_what_does_not_concern_a_list_leaves_it_as_it_is(fleet: Fleet) -> None:
    tags = {path: (await fleet.call(path)).headers["ETag"] for path in ("/status/lobbies", "/status/races")}
    fleet.add("newcomer", RACETIME)
    fleet.store.apply(ev.BotStopped("sm", NOW))
    for path in ("/status/races",):
        assert (await fleet.call(path, headers={"If-None-Match": tags[path]})).status == 304
    fleet.store.apply(ev.BotRemoved("dire", NOW))  # the lobby shows its bot's username
    assert (await fleet.call("/status/lobbies", headers={"If-None-Match": tags["/status/lobbies"]})).status == 200
    assert ((await fleet.get("/status/lobbies"))["lobbies"])[0]["bot_username"] is None  # type: ignore[index]


async def test_another_run_of_the_process_has_other_tags(fleet: Fleet) -> None:
    tag = (await fleet.call("/status/bots")).headers["ETag"]
    fleet.process.started_at += 1
    assert (await fleet.call("/status/bots", headers={"If-None-Match": tag})).status == 200


@pytest.mark.parametrize("path", ["/status", "/status/bots", "/status/bots?platform=racetime"])
async def test_compressed_answers(fleet: Fleet, path: str) -> None:
    for number in range(200):
        fleet.add(f"more-{number}")
    plain: Any = await fleet.get(path)
    for _ in range(2):
        answer = await fleet.call(path, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.json() == plain
        assert int(answer.headers["Content-Length"]) < len(await (await fleet.call(path)).read()) / 5
    raw = await fleet.call(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in raw.headers
    assert raw.headers["Vary"] == "Accept-Encoding"


async def test_a_tiny_answer_is_not_compressed(fleet: Fleet) -> None:
    answer = await fleet.call("/status/system", headers={"Accept-Encoding": "gzip"})
    assert answer.status == 200
    assert "Content-Encoding" not in answer.headers


async def test_the_order_is_that_in_which_bots_came(fleet: Fleet) -> None:
    await fleet.call("/status/bots")
    fleet.store.apply(ev.BotRemoved("alttpr", NOW))
    fleet.add("alttpr")
    shown: Any = await fleet.get("/status/bots")
    assert [bot["name"] for bot in shown["bots"]] == list(fleet.store.bots) == ["sm", "dire", "alttpr"]


async def test_bots_are_unavailable_while_the_process_drains_and_available_again(fleet: Fleet) -> None:
    for draining in (False, True, False):
        fleet.process.draining = draining
        shown: Any = await fleet.get("/status")
        available = {bot["name"] for bot in shown["bots"] if bot["available"]}
        assert available == (set() if draining else {"alttpr"})
        assert shown["system"]["available_bots"] == len(available)
