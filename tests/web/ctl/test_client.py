"""The client against a whole exporter, over a network that is as bad as they are."""

import asyncio
import re
from pathlib import Path

import pytest

from exporter.ctl.client import Client
from exporter.ctl.failures import Lost, Refused, Unreachable
from exporter.ctl.locate import Given, Server, locate
from exporter.platforms.dota2.wire import GcMsg
from tests.eventually import eventually
from tests.web.control.rig import LOBBY, Rig, control_rig
from tests.web.ctl.rig import wire

LOBBIES = "/api/v1/lobbies"


def server_of(rig: Rig, folder: Path, url: str | None = None) -> Server:
    return locate(Given(url or rig.program.url, data_dir=folder / "data"), {})


async def test_an_order_whose_answer_is_lost_is_not_given_twice(tmp_path: Path) -> None:
    said = list[str]()
    pauses = list[float]()
    async with control_rig(tmp_path, bots=2) as rig, wire(rig.program.url) as between:
        between.cut = lambda number: number < 2
        client = Client(server_of(rig, tmp_path, between.url), say=said.append, sleep=pauses.append)
        answer = await asyncio.to_thread(client.order, "POST", LOBBIES, LOBBY)
        assert answer.status == 201
        assert [each.lobby_id for each in rig.program.store.lobbies.values()] == [int(answer.data["lobby_id"])]
    keys = [re.findall(r"(?i)^idempotency-key: (.+)\r$", each, re.MULTILINE) for each in between.seen]
    assert len(keys) == 3
    assert len({key for (key,) in keys}) == 1
    assert pauses == [0.5, 1.0]
    assert said == [
        f"the connection was lost: asking again in {pause:g} s, with the same key, so that nothing is ordered twice"
        for pause in pauses
    ]


async def test_an_order_whose_end_stays_unknown_says_how_to_go_on(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig, wire(rig.program.url) as between:
        between.cut = lambda _: True
        client = Client(server_of(rig, tmp_path, between.url), sleep=lambda _: None)
        with pytest.raises(Lost, match="may have been carried out") as caught:
            await asyncio.to_thread(client.order, "POST", LOBBIES, LOBBY)
        (key,) = re.findall(r"--idempotency-key (\S+):", caught.value.hints[0])
        again = Client(server_of(rig, tmp_path))
        answer = await asyncio.to_thread(lambda: again.order("POST", LOBBIES, LOBBY, key=key))
        assert answer.status == 201
        assert len(rig.program.store.lobbies) == 1


async def test_an_order_that_never_left_is_not_tried_again(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        server = server_of(rig, tmp_path)
    pauses = list[float]()
    with pytest.raises(Unreachable, match=rf"nothing answers at {server.url} \(from --url\)"):
        await asyncio.to_thread(Client(server, sleep=pauses.append).order, "POST", LOBBIES, LOBBY)
    assert pauses == []


async def test_an_order_that_takes_long_is_followed_to_its_end(tmp_path: Path) -> None:
    said = list[str]()
    async with control_rig(tmp_path) as rig:
        assert rig.program.dota2 is not None
        rig.program.dota2.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 0.5)
        client = Client(server_of(rig, tmp_path), say=said.append, wait_s=0)
        answer = await asyncio.to_thread(client.order, "POST", LOBBIES, LOBBY)
        assert (answer.status, answer.data["state"]) == (201, "waiting")
        assert said == [f"still being carried out: waiting for order {answer.headers['order-id']}"]
        kept = await asyncio.to_thread(client.find_order, answer.headers["order-id"])
        assert kept.data["result"] == answer.data


async def test_an_order_that_fails_late_is_refused_as_at_once(tmp_path: Path) -> None:
    async with control_rig(tmp_path) as rig:
        assert rig.program.dota2 is not None
        rig.program.dota2.coordinator.faults.delay(GcMsg.LOBBY_CREATE, 30)
        client = Client(server_of(rig, tmp_path), wait_s=0)
        creating = asyncio.create_task(asyncio.to_thread(client.order, "POST", LOBBIES, LOBBY))
        await eventually(lambda: rig.program.store.bots["lobby-1"].creating_lobby)
        await asyncio.to_thread(client.order, "POST", "/api/v1/bots/lobby-1/stop")
        with pytest.raises(Refused, match="it may have happened") as caught:
            await creating
        assert (caught.value.problem["status"], caught.value.title) == (504, "in doubt (504)")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "the answer (200) is no JSON: is this a bot-exporter?"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", "answered Bad Gateway: is this"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x\r\nContent-Length: 0\r\n\r\n", "answered Found; it sends to http://x"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n[]", "answered Not Found"),
        (b"SSH-2.0-OpenSSH\r\n", "no answer came: that is not HTTP"),
        (b"", "no answer came: the connection was closed"),
    ],
)  # fmt: skip
async def test_what_is_no_exporter_is_told_by_its_address(answer: bytes, detail: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())
    async with listening:
        client = Client(Server(url, "--url"))
        with pytest.raises((Refused, Lost), match=re.escape(detail)):
            await asyncio.to_thread(lambda: client.get("/status").data)
