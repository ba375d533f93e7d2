"""The page and its feed: lost and found again, told what was missed, and shut for those without a key."""

import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from playwright.async_api import WebSocket, expect

from exporter.model import events as ev
from exporter.web.settings import WebSettings
from tests.browser.rig import Rig, page_rig, running
from tests.browser.viewer import Viewer
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERYWHERE = WebSettings(listen=(("0.0.0.0", 0),))  # noqa: S104  (there, reading needs a key)


def query(socket: WebSocket) -> dict[str, list[str]]:
    return parse_qs(urlsplit(socket.url).query)


def types_of(socket: WebSocket) -> list[str]:
    """Note the types of the frames of a socket from now on."""
    types: list[str] = []
    socket.on("framereceived", lambda data: types.append(orjson.loads(data)["type"]))
    return types


async def test_a_cut_connection_is_resumed_by_cursor_with_another_ticket(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr", "sm")
        page = await viewer.open(rig.url)
        feeds = viewer.notes(page).feeds
        heard: list[list[str]] = []
        page.on("websocket", lambda socket: heard.append(types_of(socket)))
        port, rig.relay.port = rig.relay.port, None
        rig.relay.cut()
        await expect(page.locator("#link-text")).to_have_text(re.compile("Not connected|Connecting…"))
        rig.refuse("sm")
        rig.store.apply(ev.BotRemoved("alttpr", time.time()))
        rig.working("ootr")
        await expect(page.locator("#lost-text")).to_have_text(
            re.compile(r"^What you see is \d+[sm].* old, from \d\d:\d\d:\d\d: the server cannot be reached\.$")
        )
        await expect(page.locator("#facts")).to_have_class("stale")
        await expect(page).to_have_title("(no connection) bot-exporter")
        rig.relay.port = port
        await page.locator("#lost-now").click()
        await expect(page.locator("#link-text")).to_have_text("Live")
        await expect(page.locator("#bots a.name")).to_have_text(["sm", "ootr"])
        await expect(page.locator("#lost")).to_be_hidden()
        await expect(page).to_have_title("(1 failing) bot-exporter")
        assert "since" not in query(feeds[0])
        assert re.fullmatch(r"[0-9a-f]{16}-\d+", query(feeds[-1])["since"][0])
        assert query(feeds[0])["ticket"] != query(feeds[-1])["ticket"]
        await eventually(lambda: heard[-1])
        assert set(heard[-1]) == {"change"}  # only what was missed


async def test_it_comes_back_by_itself_with_growing_pauses(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr")
        page = await viewer.open(rig.url)
        port, rig.relay.port = rig.relay.port, None
        rig.relay.cut()
        tickets = [r for r in viewer.notes(page).requests if r.url.endswith("/stream-tickets")]
        await eventually(lambda: _tickets(viewer, page) >= len(tickets) + 2)
        rig.relay.port = port
        await expect(page.locator("#link-text")).to_have_text("Live")
        await expect(page.locator("#lost")).to_be_hidden()


def _tickets(viewer: Viewer, page: object) -> int:
    return sum(each.url.endswith("/stream-tickets") for each in viewer.notes(page).requests)  # type: ignore[arg-type]


async def test_a_restarted_server_is_shown_anew(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path) as rig:
        rig.working("alttpr", "gone")
        page = await viewer.open(rig.url)
        await expect(page.locator("#bots a.name")).to_have_count(2)
        (tmp_path / "again").mkdir()
        async with running(tmp_path / "again") as program:
            again = Rig(program, rig.relay)
            again.working("alttpr", "sm")
            rig.relay.port = program.web.addresses[0][1]
            rig.relay.cut()
            await expect(page.locator("#bots a.name")).to_have_text(["alttpr", "sm"])
            again.refuse("sm")
            await expect(page.locator("#headline")).to_have_text("1 of 2 bots is failing")
            rig.relay.cut()


async def test_it_works_below_a_prefix_and_with_any_address(viewer: Viewer, tmp_path: Path) -> None:
    below = WebSettings(listen=(("127.0.0.1", 0),), external_url="https://bots.example.org/fleet")
    async with page_rig(tmp_path, settings=below) as rig:
        rig.working("alttpr")
        page = await viewer.open(f"{rig.url}fleet/#races/100%")
        await expect(page.locator("#link-text")).to_have_text("Live")
        await page.locator("#bots a.name").click()
        await expect(page.locator("#timeline")).to_contain_text("unknown → connected")
        await expect(page.locator("pre")).to_contain_text("bots.example.org")


async def test_reading_can_need_a_key(viewer: Viewer, tmp_path: Path) -> None:
    (tmp_path / "reader.key").write_text("the-readers-key\n")
    (tmp_path / "admin.key").write_text("the-admins-key\n")
    keys = (
        "web:\n  keys:\n    - {name: reader, role: read, key_file: reader.key}\n"
        "    - {name: boss, role: admin, key_file: admin.key}\nbots: []\n"
    )
    async with page_rig(tmp_path, keys, EVERYWHERE) as rig:
        rig.working("secret-bot")
        page = await viewer.open(rig.url, ready=False)
        await expect(page.locator("#locked")).to_be_visible()
        assert "secret-bot" not in await page.content()
        await page.locator("#locked-open").click()
        await page.locator("#key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#key-says")).to_have_text("The server does not know this key.")
        await page.locator("#key").fill("the-readers-key")
        await page.keyboard.press("Enter")
        await expect(page.locator("#bots a.name")).to_have_text(["secret-bot"])
        await expect(page.locator("#locked")).to_be_hidden()
        await page.reload()  # it stays for this tab
        await expect(page.locator("#bots a.name")).to_have_text(["secret-bot"])
        assert not any("the-readers-key" in address for address in viewer.notes(page).addresses)
        assert "the-readers-key" not in await page.evaluate("JSON.stringify(localStorage)")
        sent = [await each.all_headers() for each in viewer.notes(page).requests if "stream-tickets" in each.url]
        assert sent[-1]["x-api-key"] == "the-readers-key"
        await page.locator("#bots a.name").click()  # its history, too, is for readers
        await expect(page.locator("#timeline")).to_contain_text("unknown → connected")
        await page.locator("#details-orders button[value=stop]").click()
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("This key may only read")
        assert rig.store.bots["secret-bot"].is_active
