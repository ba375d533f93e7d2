"""The cast of the captured messages, and a comparison that looks past ids, times and slugs."""

import json
import re
from pathlib import Path
from typing import Any

from exporter.simulators.racetime import Broadcast, Race, RaceSettings, User, World

DATA = Path(__file__).parents[2] / "data" / "racetime"
NOW = 1_795_297_000.25

_TIMES = {
    "<milliseconds Z>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"),
    "<microseconds +00:00>": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00"),
    "<finish time>": re.compile(r"P\d+DT\d\dH\d\dM\d\d\.\d{6}S"),
}
_SLUG = re.compile(r"\b[a-z]+-[a-z]+-\d{4}\b")
_ID = re.compile(r"[0-9A-Za-z]{16}")
_PATH_ID = re.compile(r"(?<=/user/)[0-9A-Za-z]{16}")
_TIMER = re.compile(r"\b\d:\d\d:\d\d(\.\d)?")


def captured(name: str) -> Any:
    """Return one file of messages captured from the real server."""
    return json.loads((DATA / name).read_text())


def shape(value: Any, key: str = "") -> Any:
    """Return `value` with everything that differs from run to run replaced by its kind."""
    if key == "renders":
        return dict.fromkeys(value, "<html>")
    if key in {"score", "score_change"}:
        return "<int or null>" if value is None or isinstance(value, int) else value
    if isinstance(value, dict):
        return {name: shape(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if not isinstance(value, str):
        return value
    for kind, pattern in _TIMES.items():
        if pattern.fullmatch(value):
            return kind
    if (key == "id" and value) or (key == "message" and _ID.fullmatch(value)):
        return "<id>"
    return _TIMER.sub("<timer>", _PATH_ID.sub("<id>", _SLUG.sub("<slug>", value)))


class Scene:
    """The categories, users and bots with which the real server was recorded."""

    def __init__(self) -> None:
        self.world = World(seed=7)
        self.now = NOW
        self.seen: list[Broadcast] = []
        categories = [
            self.world.add_category(slug, f"Test Category {number}", short_name=f"TC{number}")
            for number, slug in enumerate(("testcat", "testcat2", "testcat3", "testcat4", "testcat5"), 1)
        ]
        self.category = categories[0]
        self.category.info = "Local test category."
        self.owner = self.world.add_user("Owner", discriminator="1626")
        self.mod = self.world.add_user("Mod", discriminator="3153")
        self.category.owners.append(self.owner)
        self.category.moderators.append(self.mod)
        tags = {
            "Racer1": "7717",
            "Racer2": "3764",
            "Racer3": "4618",
            "Racer4": "5454",
            "Racer5": "4722",
            "Racer6": "4218",
        }
        self.racers = [self.world.add_user(name, discriminator=tag) for name, tag in tags.items()]
        self.bot = self.world.add_bot("testcat", "TestBot1", client_id="bot-1", client_secret="secret-1")
        self.other_bot = self.world.add_bot("testcat2", "TestBot2", client_id="bot-2", client_secret="secret-2")
        self.late_bot = self.world.add_bot("testcat5", "TestBot5", client_id="bot-5", client_secret="secret-5")
        self.world.subscribe(self.seen.append)

    def room(
        self, *, by: User | None = None, invitational: bool = False, slug: str | None = None, **facts: Any
    ) -> Race:
        """Open a room as Racer1 did: goal Any%, 10 s of countdown, no streaming rule."""
        settings = RaceSettings(**{"goal": "Any%", "start_delay_s": 10, "streaming_required": False, **facts})
        opener = by or self.racers[0]
        return self.world.open_race(
            self.category, now=self.now, by=opener, settings=settings, invitational=invitational, slug=slug
        )

    def enter(self, race: Race, *users: User) -> None:
        """Let users join and get ready."""
        for user in users:
            self.world.join(race, user, self.now)
            self.world.ready(race, user, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, in ticks of a tenth of a second."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.1)
            self.world.tick(self.now)

    def running(self, *users: User, **facts: Any) -> Race:
        """Return a race in progress of these users, 6 s after the start."""
        race = self.room(**facts)
        self.enter(race, *users)
        self.wait(16.2)
        return race

    def lines(self) -> list[str]:
        """Return the texts of the chat lines seen so far."""
        return [each.body["message"]["message"] for each in self.seen if each.type == "chat.message"]
