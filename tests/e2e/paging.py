"""The whole chain: simulated site, exporter, Prometheus and Alertmanager with the shipped files, and the inboxes.

The shipped files are used as they are, but for what `quick` and `_put` change: times and addresses.
"""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.e2e.alertmanager import Alertmanager, alertmanager
from tests.e2e.command import LIMIT_S, ROOT, Running, exporter
from tests.e2e.inboxes import Inboxes, inboxes
from tests.e2e.prometheus import Prometheus, free_port, prometheus
from tests.e2e.site import CATEGORIES, Site, site

SHIPPED: Final = ROOT / "alerts"
FASTER: Final = 100
"""No more than that: what must last for two minutes then lasts for more than two scrapes, whichever of them fails."""

_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600}


def quick(text: str) -> str:
    """Return the rules, or the configuration, with every time of waiting divided by FASTER."""

    def divided(found: re.Match[str]) -> str:
        return f"{found[1]}: {int(found[2]) * _UNIT_S[found[3]] * 1000 // FASTER}ms"

    keys = "for|keep_firing_for|group_wait|group_interval|repeat_interval"
    return re.sub(rf"\b({keys}): (\d+)([smh])$", divided, text, flags=re.MULTILINE)


def _put(text: str, **places: str) -> str:
    """Replace each value of a key by another."""
    for key, value in places.items():
        text, count = re.subn(rf"\b{key}: .*$", f"{key}: {value}", text, flags=re.MULTILINE)
        assert count, f"no {key} in the shipped file"
    return text


def alertmanager_config(folder: Path, mailbox: Inboxes, change: Callable[[str], str] = quick) -> Path:
    """Write the shipped configuration down with the addresses of the inboxes, and return its path."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(SHIPPED / "templates", folder / "templates")
    (folder / "secrets").mkdir()
    for name, secret in (
        ("smtp.password", "unused"),
        ("pagerduty.key", "the-routing-key"),
        ("slack.url", f"{mailbox.url}/slack"),
    ):
        (folder / "secrets" / name).write_text(secret)
    text = change((SHIPPED / "alertmanager.yml").read_text(encoding="utf-8"))
    text = _put(text, smtp_smarthost=f"127.0.0.1:{mailbox.smtp_port}", webhook_url=f"{mailbox.url}/discord")
    text = text.replace("global:\n", f"global:\n  smtp_require_tls: false\n  pagerduty_url: {mailbox.url}/pagerduty\n")
    text = text.replace("https://watchdog.invalid/set-at-start", f"{mailbox.url}/watchdog")
    text = text.replace("/etc/alertmanager/secrets", str(folder / "secrets"))
    path = folder / "alertmanager.yml"
    path.write_text(text, encoding="utf-8")
    return path


def prometheus_config(folder: Path, target: str, alerts_to: str) -> str:
    """Write the shipped rules down beside the configuration, whose text is returned."""
    folder.mkdir(exist_ok=True)
    for name in ("recording-rules.yml", "alerting-rules.yml"):
        (folder / name).write_text(quick((SHIPPED / name).read_text(encoding="utf-8")), encoding="utf-8")
    text = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    text = _put(text, scrape_interval="500ms\n  scrape_timeout: 500ms", evaluation_interval="300ms")
    return text.replace("127.0.0.1:9977", target).replace("127.0.0.1:9093", alerts_to)


@dataclass
class Chain:
    """All of it, running. The fleet is well at the start, and each test leaves it so."""

    folder: Path
    held: Site
    server: Prometheus
    manager: Alertmanager
    inboxes: Inboxes
    port: int
    running: Running
    _exporters: AsyncExitStack

    @property
    def instance(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pages(self) -> list[dict[str, Any]]:
        """The incidents that were opened at PagerDuty."""
        return [event for event in self.inboxes.pagerduty if event["event_action"] == "trigger"]

    @property
    def pages_over(self) -> list[dict[str, Any]]:
        return [event for event in self.inboxes.pagerduty if event["event_action"] == "resolve"]

    @property
    def tickets(self) -> list[dict[str, Any]]:
        """The messages in the chat, good news too."""
        messages = [message["attachments"][0] for message in self.inboxes.slack]
        return [message for message in messages if "Barrier" not in message["title"]]

    def good_news(self, summary: str) -> list[dict[str, Any]]:
        """Return the messages in the chat that this is over."""
        return [message for message in self.tickets if message["title"].startswith(f"RESOLVED: {summary}")]

    async def until(self, what: Callable[[], Awaitable[object] | object], limit_s: float = LIMIT_S) -> None:
        """Ask again until the answer is true."""
        end = asyncio.get_running_loop().time() + limit_s
        while True:
            answer = what()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return
            assert asyncio.get_running_loop().time() < end, await self.told()
            await asyncio.sleep(0.05)

    async def told(self) -> dict[str, Any]:
        """Return what to read when something did not come."""
        return {
            "alerts": [(alert["labels"], alert["status"]) for alert in await self.manager.alerts()],
            "pagerduty": self.inboxes.pagerduty,
            "tickets": self.tickets,
            "errors": [line for line in self.manager.log.read_text().splitlines() if "level=error" in line][-5:],
            "exporter": self.running.log[-5:],
        }

    async def calm(self) -> None:
        """Wait until every bot works and no alert is left but the Watchdog; forget what was told."""
        await self.server.until("sum(bot_up)", (), {(): len(CATEGORIES)})

        async def silent() -> bool:
            return {alert["labels"]["alertname"] for alert in await self.manager.alerts()} <= {"Watchdog", "Barrier"}

        await self.until(silent)
        await self.until(lambda: len(self.pages) == len(self.pages_over))
        await self.barrier(twice=bool(self.tickets))  # without a ticket there is no good news to come
        self.inboxes.clear()

    async def barrier(self, *, twice: bool = False) -> None:
        """Send a ticket and wait for it: whatever was to be told before has been told then.

        A second ticket of the same group comes after `group_interval`: then good news has been told too.
        """
        labels = {"alertname": "Barrier", "severity": "warning", "instance": f"{asyncio.get_running_loop().time()}"}
        for bot in ("first", "second")[: 1 + twice]:
            mark = f"{bot}-{labels['instance']}"
            await self.manager.send(labels | {"bot": mark})
            await self.until(partial(self._told, mark))

    def _told(self, mark: str) -> bool:
        return any(mark in str(message) for message in self.inboxes.slack)

    async def inhibited(self, name: str, count: int) -> None:
        """Wait until so many alerts of that name fire, and all of them are silenced by another alert."""

        async def silenced() -> bool:
            found = await self.manager.alerts(name)
            return len(found) == count and all(alert["status"]["inhibitedBy"] for alert in found)

        await self.until(silenced)

    async def start_exporter(self) -> None:
        """Start the exporter at the address that is scraped."""
        self.running = await self._exporters.enter_async_context(
            exporter(self.held.config, self.folder / "data", f"--web.listen-address=127.0.0.1:{self.port}")
        )

    def begin_anew(self) -> None:
        """Have every bot begin anew, without a backoff to wait for: a reload that moved the folder of the secrets."""
        before, moved = self.held.secrets, self.held.secrets.with_name(f"{self.held.secrets.name}-moved")
        before.rename(moved)
        self.held.secrets = moved
        self.held.config.write_text(self.held.config.read_text().replace(f" {before.name}/", f" {moved.name}/"))
        self.running.process.send_signal(signal.SIGHUP)

    def renew_secrets(self, categories: Iterable[str]) -> dict[str, str]:
        """Renew the client secrets of these bots at the site; return the new ones, which nobody told the bots."""
        world = self.held.world
        fresh = dict[str, str]()
        for bot in [bot for bot in world.bots.values() if bot.category.slug in categories]:
            fresh[bot.category.slug] = f"{bot.client_secret}-renewed"
            client_id = bot.client_id
            world.deactivate_bot(bot)
            world.reactivate_bot(bot, client_id=client_id, client_secret=fresh[bot.category.slug])
        return fresh

    def tell_bots(self, secrets: dict[str, str]) -> None:
        """Write secrets into the bots' files."""
        for category, secret in secrets.items():
            (self.held.secrets / category).write_text(f"{secret}\n")


@asynccontextmanager
async def chain(folder: Path) -> AsyncIterator[Chain]:
    """Run everything until the block ends."""
    port = free_port()
    async with AsyncExitStack() as stack:
        held = await stack.enter_async_context(site(folder))
        mailbox = await stack.enter_async_context(inboxes())
        exporters = await stack.enter_async_context(AsyncExitStack())
        running = await exporters.enter_async_context(
            exporter(held.config, folder / "data", f"--web.listen-address=127.0.0.1:{port}")
        )
        config = alertmanager_config(folder / "alertmanager.d", mailbox)
        manager = await stack.enter_async_context(alertmanager(config, folder))
        target = f"127.0.0.1:{port}"
        rules = folder / "prometheus.d"
        text = prometheus_config(rules, target, manager.address)
        # What fires before Prometheus has found its Alertmanager is sent again after this time; and what is not sent
        # again for four times as long counts as over.
        server = await stack.enter_async_context(prometheus(running.url, rules, text, "--rules.alert.resend-delay=2s"))
        assert urlsplit(running.url).port != port
        yield Chain(folder, held, server, manager, mailbox, port, running, exporters)
