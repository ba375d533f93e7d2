"""A running exporter for the page: without bots, so that a test reports the facts itself, or with simulated ones."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.app import Application, application, load_fleet
from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import DisconnectReason, PlatformTraits, RaceState
from exporter.model.status import LobbyRecord, RaceView
from exporter.platforms.racetime.options import RACETIME
from exporter.web.settings import WebSettings
from tests.browser.relay import Relay

HERE = WebSettings(listen=(("127.0.0.1", 0),))
REFUSAL = "racetime.gg refused the client id and secret"


class Rig:
    """A program behind a relay, and the facts that its bots would report."""

    def __init__(self, program: Application, relay: Relay) -> None:
        self.program = program
        self.relay = relay
        self.store = program.store

    @property
    def url(self) -> str:
        return self.relay.url

    @property
    def key(self) -> str:
        assert self.program.admin_key is not None
        return self.program.admin_key.read_text().strip()

    def add(self, name: str, traits: PlatformTraits = RACETIME, *, subject: str | None = None) -> None:
        self.store.apply(ev.BotAdded(name, time.time(), traits, subject or name, active=True))

    def connect(self, name: str, *, at: float | None = None) -> None:
        """Bring a bot to where it takes orders, by the way of its platform."""
        now = time.time() if at is None else at
        traits = self.store.bots[name].traits
        self.store.apply(ev.ConnectStarted(name, now))
        for state in traits.states[2 : traits.states.index(traits.ready) + 1]:
            self.store.apply(ev.StateEntered(name, now, state))
        self.store.apply(ev.HealthProved(name, now, 3600.0))

    def working(self, *names: str, traits: PlatformTraits = RACETIME) -> None:
        for name in names:
            self.add(name, traits)
            self.connect(name)

    def refuse(self, name: str, why: str = REFUSAL, retry_in_s: float | None = 600.0) -> None:
        now = time.time()
        retry_at = None if retry_in_s is None else now + retry_in_s
        self.store.apply(ev.CredentialsRefused(name, now, AuthReason.INVALID_CREDENTIALS, why, retry_at))

    def lose(self, name: str, why: str = "the service cannot be reached") -> None:
        now = time.time()
        lost = DisconnectReason.PEER_CLOSED
        self.store.apply(ev.ConnectionFailed(name, now, FailureReason.OTHER, why, now + 60, lost))

    def race(self, bot: str, view: RaceView) -> None:
        now = time.time()
        self.store.apply(ev.RaceUpdated(bot, now, view))
        if view.state is not RaceState.FINISHED:
            self.store.apply(ev.StateEntered(bot, now, "in_race"))
            self.store.apply(ev.RoomConnected(bot, now, view.name))

    def lobby(self, record: LobbyRecord, state: str = "in_lobby") -> None:
        now = time.time()
        self.store.apply(ev.StateEntered(record.bot, now, state))
        self.store.apply(ev.LobbyUpdated(record.bot, now, record))


@asynccontextmanager
async def page_rig(folder: Path, text: str = "bots: []\n", settings: WebSettings = HERE) -> AsyncIterator[Rig]:
    """Run the exporter with this configuration, behind a relay."""
    relay = Relay(None)
    await relay.start()
    try:
        async with running(folder, text, settings) as program:
            relay.port = program.web.addresses[0][1]
            try:
                yield Rig(program, relay)
            finally:
                relay.port = None
                relay.cut()  # nobody has to say goodbye
    finally:
        await relay.stop()


@asynccontextmanager
async def running(folder: Path, text: str = "bots: []\n", settings: WebSettings = HERE) -> AsyncIterator[Application]:
    config = folder / "config.yaml"
    config.write_text(text)
    async with application(load_fleet(config), settings, folder / "data", stagger_s=0.0) as program:
        yield program


def simulated(dota2: Sequence[int] = (), categories: Sequence[str] = (), *, steam: str = "quiet") -> str:
    """Return a configuration with accounts of the simulated Steam, by number, and bots for these categories."""
    lines = ["steam: {logon_interval: 0s}", "simulators:"]
    lines += [f"  steam: {{enabled: true, scenario: {steam}}}", "  racetime: {enabled: true, scenario: quiet}", "bots:"]
    lines += [
        f"  - {{name: lobby-{n}, platform: dota2, username: demo-bot-{n}, password: demo-password-{n}}}" for n in dota2
    ]
    lines += [
        f"  - {{name: {each}, platform: racetime, category: {each}, client_id: demo-{each},"
        f" client_secret: demo-{each}-secret}}"
        for each in categories
    ]
    return "\n".join(lines) + "\n"
