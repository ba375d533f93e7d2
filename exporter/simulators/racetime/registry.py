"""The site's books: categories, users, bots, tokens, races, and who listens to what happens.

No I/O and no clock: whoever calls passes `now` in Unix seconds.
"""

import random
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.simulators.racetime import wire
from exporter.simulators.racetime.records import (
    Bot,
    Category,
    Entrant,
    EntryState,
    Message,
    Race,
    RaceSettings,
    RaceState,
    Token,
    User,
)

SCOPES = ("read", "chat_message", "race_action", "create_race")
TOKEN_LIFE_S = 36000.0
GUID_MEMORY_S = 300.0

_ID_LETTERS = string.ascii_letters + string.digits
_ADJECTIVES = (
    "brave",
    "calm",
    "clever",
    "cosmic",
    "crafty",
    "dapper",
    "eager",
    "fancy",
    "gentle",
    "hyper",
    "jolly",
    "lucky",
    "mighty",
    "neat",
    "odd",
    "quick",
)

_NOUNS = (
    "anchor",
    "badger",
    "beacon",
    "comet",
    "compass",
    "dragon",
    "falcon",
    "gadget",
    "harbor",
    "lantern",
    "meteor",
    "otter",
    "puffin",
    "rocket",
    "tiger",
)

_SHIELDS = (
    "Ada",
    "Bruno",
    "Cleo",
    "Dario",
    "Elke",
    "Fritz",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Lutz",
    "Mona",
    "Nils",
    "Olga",
    "Pia",
)


class Refused(Exception):
    """The site said no; `errors` are its words."""

    def __init__(self, *errors: str) -> None:
        self.errors = errors
        super().__init__(*errors)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One frame for everybody in a room: `body` is the frame without `type` and `date`."""

    race: Race
    type: str
    body: Mapping[str, Any]
    at: float


Listener = Callable[[Broadcast], None]


class Registry:
    """What exists on the site. The same seed gives the same ids, slugs and tokens."""

    def __init__(self, *, seed: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311  (ids of a simulator)
        self.categories: dict[str, Category] = {}
        self.users: dict[str, User] = {}
        self.bots: dict[str, Bot] = {}
        self.tokens: dict[str, Token] = {}
        self.races: dict[str, Race] = {}
        self.current: dict[str, Race] = {}
        self.saves: dict[str, int] = {}
        self.token_life_s = TOKEN_LIFE_S
        self._guids: dict[str, float] = {}
        self._listeners: list[Listener] = []

    # listening

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each broadcast, in order, before the deed returns; gives the way to stop.

        Listeners must not block and must not change the world.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def broadcast(self, race: Race, kind: str, body: Mapping[str, Any], now: float) -> None:
        """Tell every listener of one frame."""
        frame = Broadcast(race, kind, body, now)
        for listener in tuple(self._listeners):
            listener(frame)

    def publish(self, race: Race, now: float) -> None:
        """Broadcast the race as it is now: race.data, then race.renders."""
        if self._listeners:
            self.broadcast(race, "race.data", wire.race_data(race, now), now)
            self.broadcast(race, "race.renders", wire.race_renders(race), now)

    # people, categories, bots

    def add_category(
        self,
        slug: str,
        name: str | None = None,
        *,
        short_name: str | None = None,
        goals: Iterable[str] = ("Any%", "Beat the game"),
        active: bool = True,
        info: str | None = None,
    ) -> Category:
        """Create a category; further switches are attributes of the record."""
        category = Category(slug, name or slug.title(), short_name or slug.upper()[:6], list(goals), active, info)
        self.categories[slug] = category
        return category

    def add_user(self, name: str, *, discriminator: str | None = "", twitch_name: str | None = None) -> User:
        """Create an account; an empty discriminator is drawn, None is a user without one."""
        if discriminator == "":
            discriminator = f"{self.random.randrange(1, 10000):04}"
        user = User(self.new_id(), name, discriminator, twitch_name=twitch_name)
        self.users[user.id] = user
        return user

    def add_bot(
        self, category: Category | str, name: str, *, client_id: str | None = None, client_secret: str | None = None
    ) -> Bot:
        """Create a bot of one category; credentials are drawn unless given."""
        owner = self.categories[category] if isinstance(category, str) else category
        bot = Bot(name, owner, client_id or self.new_id(40), client_secret or self.new_id(64))
        self.bots[bot.client_id] = bot
        return bot

    def deactivate_bot(self, bot: Bot) -> None:
        """Delete the bot's application: every token dies, the credentials are refused (notes, section 1)."""
        bot.active = False
        self.bots.pop(bot.client_id, None)
        for token in [each for each in self.tokens.values() if each.bot is bot]:
            del self.tokens[token.value]

    def reactivate_bot(self, bot: Bot, *, client_id: str | None = None, client_secret: str | None = None) -> None:
        """Let the bot work again, with new credentials unless given."""
        bot.client_id, bot.client_secret = client_id or self.new_id(40), client_secret or self.new_id(64)
        bot.active = True
        self.bots[bot.client_id] = bot

    # tokens

    def authenticate(self, client_id: str, client_secret: str) -> Bot | None:
        """Return the active bot with these credentials."""
        bot = self.bots.get(client_id)
        return bot if bot is not None and bot.client_secret == client_secret else None

    def issue_token(self, bot: Bot, now: float, *, scopes: Iterable[str] = SCOPES) -> Token:
        """Give one more token; the older ones stay good."""
        token = Token(self.new_id(30), bot, tuple(scopes), now + self.token_life_s)
        self.tokens[token.value] = token
        return token

    def live_token(self, value: str | None, now: float) -> Token | None:
        """Return the token if it is known, not revoked and not expired at this moment."""
        token = self.tokens.get(value) if value else None
        return token if token and not token.revoked and token.expires_at > now else None

    def expire_tokens(self, bot: Bot, now: float) -> None:
        """Let every token of a bot run out now."""
        for token in self.tokens.values():
            if token.bot is bot:
                token.expires_at = min(token.expires_at, now)

    # races

    def find_race(self, slug: str) -> Race | None:
        """Return the newest race with that slug, whatever its category, as the WebSocket does."""
        found = [race for race in self.races.values() if race.slug == slug]
        return max(found, key=lambda race: race.opened_at, default=None)

    def race(self, category_slug: str, slug: str) -> Race | None:
        """Return one race."""
        return self.races.get(f"{category_slug}/{slug}")

    def races_of(self, category: Category, *, current: bool) -> list[Race]:
        """Return the races of a category, oldest first."""
        pool = self.current if current else self.races
        return [race for race in pool.values() if race.category is category and race.is_current is current]

    def forget_race(self, race: Race) -> None:
        """Delete a race, so that a simulator that runs for days keeps its size. The real site never does."""
        self.races.pop(str(race), None)
        self.current.pop(str(race), None)
        self.saved(race)

    def saved(self, race: Race) -> None:
        """Note that a race row was written: the public category page drops its cached copy."""
        slug = race.category.slug
        self.saves[slug] = self.saves.get(slug, 0) + 1

    def change(self, race: Race) -> None:
        """Count one change of a race and note the write."""
        race.version = min(race.version + 1, 32767)
        if race.is_done:
            self.current.pop(str(race), None)
        else:
            self.current[str(race)] = race
        self.saved(race)

    def active_entry(self, user: User) -> Entrant | None:
        """Return the entry with which the user takes part in a race that is not over."""
        for race in self.current.values():
            entrant = race.entrant_of(user)
            if entrant is not None and entrant.remaining:
                return entrant
        return None

    def new_entrant(self, race: Race, user: User, state: EntryState = EntryState.JOINED) -> Entrant:
        """Add an entry, with an invented name for a room that hides its entrants."""
        taken = {each.shield for each in race.entrants}
        shield = self.random.choice([name for name in _SHIELDS if name not in taken] or [self.new_id(8)])
        score = user.scores.get(race.category.slug) if race.recordable else None
        entrant = Entrant(user, state, shield, score=score)
        race.entrants.append(entrant)
        return entrant

    def new_race(
        self,
        category: Category,
        settings: RaceSettings,
        now: float,
        *,
        state: RaceState = RaceState.OPEN,
        opened_by: User | None = None,
        opened_by_bot: str | None = None,
        slug: str | None = None,
    ) -> Race:
        """Add a room; custom goals and unranked rooms are never recorded."""
        race = Race(
            category,
            slug or self._new_slug(category),
            settings,
            now,
            state,
            opened_by,
            opened_by_bot,
            recordable=settings.ranked and not settings.custom_goal,
        )
        self.races[str(race)] = self.current[str(race)] = race
        self.saved(race)
        return race

    # ids

    def new_id(self, length: int = 16) -> str:
        """Draw an opaque id."""
        return "".join(self.random.choices(_ID_LETTERS, k=length))

    def new_message(self, race: Race, now: float, text: str, **facts: Any) -> Message:
        """Add a chat line without telling anybody."""
        message = Message(self.new_id(), now, text, **facts)
        race.messages.append(message)
        return message

    def guid_is_new(self, guid: str, now: float) -> bool:
        """Remember a guid for 5 minutes; False if it was used before.

        Assumption: one memory for the whole site, also for messages that were refused.
        """
        for old in [each for each, at in self._guids.items() if now - at >= GUID_MEMORY_S]:
            del self._guids[old]
        if guid in self._guids:
            return False
        self._guids[guid] = now
        return True

    def _new_slug(self, category: Category) -> str:
        while True:
            slug = f"{self.random.choice(_ADJECTIVES)}-{self.random.choice(_NOUNS)}-{self.random.randrange(10000):04}"
            if f"{category.slug}/{slug}" not in self.races:
                return slug
