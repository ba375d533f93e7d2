"""What axe finds: nothing, in light and dark, on desk and phone, with whatever is open."""

import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from exporter.model import events as ev
from exporter.model.status import Maintenance
from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import Rig, page_rig
from tests.browser.viewer import DESK, PHONE, Viewer
from tests.tools import require_package
from tests.web.fleet import LOBBY_ID, lobby, race_view

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).parent / "axe"


def one_of_each(rig: Rig) -> None:
    rig.working("alttpr", "ootr", "idle", "resting")
    rig.working("dire", traits=DOTA2)
    rig.add("new")
    rig.add("sm")
    rig.refuse("sm")
    rig.lose("ootr")
    rig.store.apply(ev.BotStopped("idle", time.time()))
    rig.store.apply(ev.MaintenanceBegan("resting", time.time(), Maintenance(None, "new cables", "boss")))
    rig.lobby(lobby())
    rig.race("alttpr", race_view())


async def violations(page: Page, script: str) -> list[str]:
    """Return the rules that are broken, with the elements that break them."""
    await page.evaluate(script)  # by the debugger: the page's own policy would not have it
    found = await page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    assert len(found["passes"]) > 20
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["light-desk", "dark-phone"])
async def test_axe_finds_nothing(viewer: Viewer, tmp_path: Path, scheme: str, size: tuple[int, int]) -> None:
    script = (require_package(AXE) / "axe-core" / "axe.min.js").read_text()
    async with page_rig(tmp_path) as rig:
        one_of_each(rig)
        page = await viewer.open(rig.url, size, scheme=scheme)
        for place in (f"lobbies/{LOBBY_ID}", "races/alttpr/lucky-link-1"):
            await page.locator(f"[id='{place}'] summary").click()
            await expect(page.locator(f"[id='{place}'] .people").first).to_be_visible()
        assert await violations(page, script) == []
        await page.locator("#bots a[href='#bots/sm']").click()
        await expect(page.locator("#timeline li").first).to_be_visible()
        await page.locator("#details-badges .badge.bad").focus()
        await expect(page.locator("#tip")).to_be_visible()
        assert await violations(page, script) == []
        await page.locator("#details-orders button[value=begin-maintenance]").click()
        await expect(page.locator("#key")).to_be_visible()
        assert await violations(page, script) == []
        await page.locator("#key").fill(rig.key)
        await page.keyboard.press("Enter")
        await expect(page.locator("#order")).to_be_visible()
        assert await violations(page, script) == []
        await page.locator("#order-cancel").click()
        await page.locator("#details-close").click()
        await page.locator("#create-lobby").click()
        await expect(page.locator("#order")).to_be_visible()
        assert await violations(page, script) == []
        rig.relay.port = None
        await page.locator("#order-cancel").click()
        await expect(page.locator("#order")).to_be_hidden()
        rig.relay.cut()
        await expect(page.locator("#lost")).to_be_visible()
        assert await violations(page, script) == []
