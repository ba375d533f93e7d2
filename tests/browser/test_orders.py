"""Orders from the page, really carried out against simulators."""

from pathlib import Path

import pytest
from playwright.async_api import Page, Request, Route, expect

from exporter.model.states import LobbyState
from exporter.simulators.steam.trouble import TROUBLE_CODE
from tests.browser.rig import Rig, page_rig, simulated
from tests.browser.viewer import Viewer
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAILED = """\
steam: {logon_interval: 0s}
simulators:
  steam: {enabled: true, scenario: trouble}
bots:
  - {name: mailed, platform: dota2, username: demo-mailed, password: demo-password}
"""


async def ready(rig: Rig) -> None:
    await eventually(lambda: all(bot.ready for bot in rig.store.bots.values()))


async def with_key(page: Page, rig: Rig) -> None:
    await page.locator("#key-open").click()
    await page.locator("#key").fill(rig.key)
    await page.keyboard.press("Enter")
    await expect(page.locator("#key-dialog")).to_be_hidden()
    await expect(page.locator("#key-text")).to_have_text("Key in use")


async def order(page: Page, word: str) -> None:
    await page.locator(f"#details-orders button[value={word}]").click()
    await expect(page.locator("#order")).to_be_visible()


def posts(viewer: Viewer, page: Page, ending: str) -> list[Request]:
    return [each for each in viewer.notes(page).requests if each.method == "POST" and each.url.endswith(ending)]


async def test_stop_and_start_with_a_key_that_is_asked_for(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, simulated(categories=["alttpr"])) as rig:
        await ready(rig)
        page = await viewer.open(f"{rig.url}#bots/alttpr")
        buttons = page.locator("#details-orders button:visible")
        await expect(buttons).to_have_text(["Restart", "Begin maintenance", "Stop"])
        await page.locator("#details-orders button[value=stop]").click()
        await expect(page.locator("#key-why")).to_have_text("Orders need an API key with the role admin.")
        await page.locator("#key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#key-says")).to_have_text("The server does not know this key.")
        await page.locator("#key").fill(rig.key)
        await page.keyboard.press("Enter")
        await expect(page.locator("#order-title")).to_have_text("Stop alttpr")
        await page.locator("#order-cancel").click()  # nothing happens without the confirmation
        assert posts(viewer, page, "/stop") == []
        await order(page, "stop")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("alttpr is switched off.")
        assert rig.store.bots["alttpr"].is_active is False
        await expect(page.locator("#order-cancel")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(buttons).to_have_text(["Start", "Begin maintenance"])
        await expect(page.locator("#details-badges")).to_have_text("DisconnectedInactive")
        await expect(page.locator("#timeline")).to_contain_text("Order stop by admin: done.")
        await order(page, "start")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("alttpr is switched on.")
        await page.locator("#order-cancel").click()
        await expect(page.locator("#details-badges")).to_have_text("ConnectedActive")
        await order(page, "restart")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("alttpr begins anew.")
        sent = await posts(viewer, page, "/stop")[0].all_headers()
        assert sent["x-api-key"] == rig.key
        assert not any(rig.key in address for address in viewer.notes(page).addresses)


async def test_maintenance_begins_and_ends(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, simulated(categories=["alttpr"])) as rig:
        await ready(rig)
        page = await viewer.open(f"{rig.url}#bots/alttpr", zone="Asia/Tokyo")
        await page.locator("#details-close").click()
        await with_key(page, rig)
        await page.locator("#bots a.name").click()
        await order(page, "begin-maintenance")
        await page.locator("#order-confirm").click()  # the form wants a reason
        assert posts(viewer, page, "/maintenance") == []
        await page.locator("[name=reason]").fill("new cables")
        await page.locator("[name=until]").fill("2020-01-01T00:00")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("Something in the form is not right.")
        await expect(page.locator("#order-result li")).to_have_text(
            "until: this time is past, give one that is to come, or null"
        )
        await page.locator("[name=until]").fill("2040-01-02T12:00")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("alttpr is in maintenance.")
        note = rig.store.bots["alttpr"].maintenance
        assert note is not None
        assert (note.reason, note.by, note.until) == ("new cables", "admin", 2209086000.0)  # 03:00 UTC
        await page.locator("#order-cancel").click()
        await expect(page.locator("#details-facts")).to_contain_text("announced by admin, until 2 Jan, 12:00:00")
        await order(page, "end-maintenance")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("Maintenance of alttpr is over.")
        assert rig.store.bots["alttpr"].maintenance is None


async def test_a_lobby_is_created_once_and_the_next_one_finds_no_bot(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, simulated([2])) as rig:
        await ready(rig)
        page = await viewer.open(rig.url)
        await with_key(page, rig)
        await page.locator("#create-lobby").click()
        await page.locator("[name=name]").fill("Friday <b>inhouse</b>")
        await page.locator("[name=server_region]").select_option("EUW")
        await page.locator("[name=expected_players]").fill("10")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("Friday <b>inhouse</b> is open: lobby-2 hosts it.")
        found = next(iter(rig.store.lobbies.values()))
        assert (found.name, found.server_region_name, found.state) == (
            "Friday <b>inhouse</b>",
            "EUW",
            LobbyState.WAITING,
        )
        await page.locator("#order-cancel").click()
        await expect(page.locator("#lobbies .card-title")).to_have_text("Friday <b>inhouse</b>")
        await page.locator("#create-lobby").click()
        await page.locator("[name=name]").fill("Another")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("Nobody can do that now. Try again in")
        await expect(page.locator("#order-result li")).to_contain_text("no bot is free")
        await expect(page.locator("#order-confirm")).to_have_text("Try again")
        await page.locator("#order-confirm").click()
        await eventually(lambda: len(posts(viewer, page, "/api/v1/lobbies")) == 3)
        keys = [(await each.all_headers())["idempotency-key"] for each in posts(viewer, page, "/api/v1/lobbies")]
        assert keys[0] != keys[1] == keys[2]  # the same order again is the same order


async def test_an_order_that_takes_longer_is_followed(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, simulated([2])) as rig:
        await ready(rig)
        page = await viewer.open(rig.url)
        await with_key(page, rig)

        async def impatient(route: Route) -> None:
            await route.continue_(url=f"{route.request.url}?wait=0")

        await page.route("**/api/v1/lobbies", impatient)
        await page.locator("#create-lobby").click()
        await page.locator("[name=name]").fill("later")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_have_text("later is open: lobby-2 hosts it.")
        asked = [each.url for each in viewer.notes(page).requests if "/api/v1/orders/" in each.url]
        assert len(asked) > 1  # the first one only checks the key


async def test_no_answer_to_a_creation_is_asked_again_with_the_same_key(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, simulated([2, 4])) as rig:
        await ready(rig)
        page = await viewer.open(rig.url)
        await with_key(page, rig)

        async def lost(route: Route) -> None:
            """Carry the order out, and lose the answer."""
            await route.fetch()
            await route.abort()

        await page.route("**/api/v1/lobbies", lost)
        await page.locator("#create-lobby").click()
        await page.locator("[name=name]").fill("once")
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("It is safe to ask again")
        await page.unroute("**/api/v1/lobbies", lost)
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("once is open")
        assert len(rig.store.lobbies) == 1


async def test_a_guard_code_is_handed_in(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, MAILED) as rig:
        page = await viewer.open(rig.url)
        await expect(page.locator("td.c-status")).to_contain_text("Guard code wanted")
        await with_key(page, rig)
        await page.locator("#bots a.name").click()
        await order(page, "guard-code")
        await page.locator("[name=code]").fill(TROUBLE_CODE)
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result")).to_contain_text("The code is handed in")
        await page.locator("#order-cancel").click()
        await expect(page.locator("#details-badges")).to_contain_text("Connected")
        assert not any(TROUBLE_CODE in address for address in viewer.notes(page).addresses)


async def test_a_guard_code_that_nobody_waits_for_is_refused_in_plain_words(viewer: Viewer, tmp_path: Path) -> None:
    async with page_rig(tmp_path, MAILED) as rig:
        page = await viewer.open(rig.url)
        await with_key(page, rig)
        await page.locator("#bots a.name").click()
        await order(page, "guard-code")
        await page.locator("[name=code]").fill(TROUBLE_CODE)
        await rig.program.supervisor.stop("mailed")  # somebody else was faster
        await page.locator("#order-confirm").click()
        await expect(page.locator("#order-result > p")).to_have_text("That is not possible now.")
        await expect(page.locator("#order-result li")).to_have_count(1)
