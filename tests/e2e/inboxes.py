"""Where alerts arrive: stand-ins on loopback for PagerDuty, Slack, Discord, a dead man's switch and a mail server."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiohttp import web


@dataclass
class Inboxes:
    """Everything that arrived, in order, as it was sent."""

    url: str = ""
    smtp_port: int = 0
    pagerduty: list[dict[str, Any]] = field(default_factory=list)
    slack: list[dict[str, Any]] = field(default_factory=list)
    discord: list[dict[str, Any]] = field(default_factory=list)
    watchdog: list[dict[str, Any]] = field(default_factory=list)
    mail: list[EmailMessage] = field(default_factory=list)

    def clear(self) -> None:
        for inbox in (self.pagerduty, self.slack, self.discord, self.watchdog, self.mail):
            inbox.clear()


@asynccontextmanager
async def inboxes() -> AsyncIterator[Inboxes]:
    """Run the stand-ins on free ports."""
    found = Inboxes()
    app = web.Application()
    # What each service answers to a message that it took.
    answers = {
        "pagerduty": (202, '{"status": "success"}'),
        "slack": (200, "ok"),
        "discord": (204, ""),
        "watchdog": (200, ""),
    }

    async def take(request: web.Request) -> web.Response:
        service = request.match_info["service"]
        getattr(found, service).append(await request.json())
        status, text = answers[service]
        return web.Response(status=status, text=text)

    app.router.add_post("/{service:pagerduty|slack|discord|watchdog}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    mail = await asyncio.start_server(lambda reader, writer: _smtp(reader, writer, found.mail), "127.0.0.1", 0)
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        found.smtp_port = mail.sockets[0].getsockname()[1]
        yield found
    finally:
        mail.close()
        await mail.wait_closed()
        await runner.cleanup()


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, taken: list[EmailMessage]) -> None:
    """Speak as much of RFC 5321 as takes in a message."""
    writer.write(b"220 loopback\r\n")
    while command := (await reader.readline()).upper():
        if command.startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            body = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
            taken.append(email.message_from_bytes(body, EmailMessage, policy=email.policy.default))
        writer.write(b"221 bye\r\n" if command.startswith(b"QUIT") else b"250 ok\r\n")
        await writer.drain()
        if command.startswith(b"QUIT"):
            break
    writer.close()
    await writer.wait_closed()
