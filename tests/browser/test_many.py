"""A thousand bots: the page shows them, follows them, and answers to whoever uses it."""

import time
from pathlib import Path

import pytest
from playwright.async_api import expect

from exporter.platforms.dota2.options import DOTA2
from tests.browser.rig import page_rig
from tests.browser.viewer import Viewer

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOTS = 1000
# Guards against something that grows with the square of the fleet; a calm machine needs a tenth of it.
MOST_MS = 2000

# How long from a key or click until the picture after it: what somebody feels.
_MEASURE = """
globalThis.felt = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.interactionId) {
      felt.push(entry.duration);
    }
  }
}).observe({type: "event", durationThreshold: 16, buffered: true});
"""


async def test_a_thousand_bots(viewer: Viewer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with page_rig(tmp_path) as rig:
        for number in range(BOTS):
            rig.working(f"bot-{number:04}", traits=DOTA2)
        began = time.monotonic()
        page = await viewer.open(rig.url)
        await expect(page.locator("#bots tr")).to_have_count(BOTS)
        first_s = time.monotonic() - began
        await page.evaluate(_MEASURE)
        search = page.locator("#search")
        await search.click()
        await page.keyboard.type("bot-07", delay=30)
        await expect(page.locator("#bots tr")).to_have_count(100)
        await page.keyboard.press("Escape")
        await expect(page.locator("#bots tr")).to_have_count(BOTS)
        await page.locator("th.c-name button").click()
        await page.locator("th.c-name button").click()
        await expect(page.locator("#bots a.name").first).to_have_text("bot-0999")
        await page.locator("#sort").select_option("trouble")
        for number in range(0, BOTS, 2):  # half of the fleet fails at once, while somebody types
            rig.lose(f"bot-{number:04}")
        began = time.monotonic()
        await search.click()
        await page.keyboard.type("bot-09", delay=30)
        await page.keyboard.press("Escape")
        await expect(page.locator("#headline")).to_have_text(f"{BOTS // 2} of {BOTS} bots are failing")
        await expect(page.locator("#bots tr").first.locator("td.c-status .badge")).to_have_class("badge bad")
        burst_s = time.monotonic() - began
        await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        felt = sorted(await page.evaluate("felt"))
        worst = felt[-1] if felt else 0
    with capsys.disabled():
        print(  # noqa: T201  (figures for whoever looks at the run)
            f"\n{BOTS} bots: shown after {first_s:.1f} s, {BOTS // 2} failures told after {burst_s:.1f} s, "
            f"slowest of {len(felt)} slow interactions {worst:.0f} ms"
        )
    assert worst < MOST_MS
