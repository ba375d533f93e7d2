"""Races that play by themselves, for the demo and for long runs.

A scenario is a heap of (time, step). `advance` does what is due; a step may put later steps on the heap. There is no
task per race, and no clock: the same seed and the same times give the same races.
"""

import contextlib
import heapq
import itertools
import random
from collections.abc import Callable

from exporter.simulators.faults import FaultSchedule
from exporter.simulators.racetime.records import Category, Race, RaceSettings, RaceState, Team, User
from exporter.simulators.racetime.registry import Refused
from exporter.simulators.racetime.world import World

Step = Callable[[float], None]

CATEGORIES = (
    ("alttpr", "A Link to the Past Randomizer", "ALttPR", ("Beat the game", "All dungeons", "Triforce hunt")),
    ("ootr", "Ocarina of Time Randomizer", "OoTR", ("Beat the game", "Standard ruleset", "Triforce blitz")),
    ("smz3", "SMZ3", "SMZ3", ("Beat the games", "Casual", "All bosses")),
    ("sm", "Super Metroid", "SM", ("Any%", "100%", "Any% glitched")),
)
NAMES = (
    "Amberleaf",
    "Brickroad",
    "Cobalt_Crow",
    "Dawnpiper",
    "Elderquill",
    "Foxtrotter",
    "Glimmerhex",
    "Hollowpine",
    "Ironwren",
    "Juniper_J",
    "Kestrel77",
    "Lanternfish",
    "Mossback",
    "Nightjar",
    "Opalroot",
    "Pepperjack",
    "Quartzling",
    "Rookery",
    "Saltmarsh",
    "Thistledown",
    "Umberfox",
    "Velvetmole",
    "Windlass",
    "Yarrowby",
    "Zephyrine",
    "Brambleton",
    "Cinderella_Ann",
    "Driftwood",
    "Emberwick",
    "Fernhollow",
)
HOSTILE_NAME = '<b>"x"&'
CHATTER = ("gl hf", "good luck everyone", "!seed", "one minute please", '<3 & "see you" at the end', "héllo 👋")

WARM_UP_S = 120.0
ROOMS_PER_CATEGORY = 2
CALM_CATEGORY = "sm"  # has a race now and then, so that its bot is seen available too
KEEP_ENDED_S = 900.0
GIVE_UP_S = 240.0


class Scenario:
    """A world and the steps that are still to come; with a `schedule`, also the site's own trouble.

    The simulator plays the schedule from its first start on.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.schedule: FaultSchedule | None = None
        self._heap: list[tuple[float, int, Step]] = []
        self._order = itertools.count()

    def at(self, when: float, step: Step) -> None:
        """Do `step` once `advance` reaches that time; steps of the same time run in the order they were given."""
        heapq.heappush(self._heap, (when, next(self._order), step))

    def advance(self, now: float) -> None:
        """Do every step that is due. One that the site refuses, because somebody interfered, is skipped."""
        while self._heap and self._heap[0][0] <= now:
            _, _, step = heapq.heappop(self._heap)
            with contextlib.suppress(Refused):
                step(now)

    @property
    def waiting(self) -> int:
        """How many steps are still to come."""
        return len(self._heap)


class Demo(Scenario):
    """Four categories whose users race for ever; each race takes 60 to 90 s from open to recorded."""

    def __init__(self, now: float, *, seed: int = 1) -> None:
        super().__init__(quiet_world(seed))
        self._random = random.Random(seed)  # noqa: S311  (a play, not a secret)
        self._minded: set[str] = set()
        self._opened = 0
        begin = now - WARM_UP_S
        for place, category in enumerate(self.world.categories.values()):
            self.at(begin + 7.0 * place, self._opening(category))
        self.at(begin, self._keep_house)
        # The play starts two minutes ago, so that a newcomer finds rooms in several states.
        moment = begin
        while moment < now:
            self.advance(moment)
            self.world.tick(moment)
            moment += 0.5

    # what happens in general

    def _opening(self, category: Category) -> Step:
        calm = category.slug == CALM_CATEGORY
        pace_s, rooms = ((110.0, 150.0), 1) if calm else ((15.0, 30.0), ROOMS_PER_CATEGORY)

        def step(now: float) -> None:
            self.at(now + self._random.uniform(*pace_s), step)
            if len(self.world.races_of(category, current=True)) < rooms:
                self._open(category, now)

        return step

    def _keep_house(self, now: float) -> None:
        """Mind rooms that bots opened, and forget old ones: the world of a long run keeps its size."""
        self.at(now + 3.0, self._keep_house)
        for race in list(self.world.races.values()):
            if race.is_done and now - race.over_at > KEEP_ENDED_S:
                self._minded.discard(str(race))
                self.world.forget_race(race)
            elif race.is_preparing and race.opened_by is None and str(race) not in self._minded:
                self._cast(race, self._free_users(race.category, self._random.randint(2, 4)), now)
        for token in [each for each in self.world.tokens.values() if each.expires_at < now - KEEP_ENDED_S]:
            del self.world.tokens[token.value]

    def _open(self, category: Category, now: float) -> None:
        users = self._free_users(category, self._random.randint(3, 5))
        if len(users) < 2:
            return
        self._opened += 1
        kind = ("plain", "unlisted", "team", "invitational", "plain", "doomed")[self._opened % 6]
        settings = RaceSettings(
            goal=self._random.choice(category.goals),
            info_user=self._random.choice(("", "Weekly race", "Fun & <games>")),
            start_delay_s=10,
            streaming_required=False,
            unlisted=kind == "unlisted",
            team_race=kind == "team",
        )
        invitational = kind == "invitational"
        race = self.world.open_race(category, now=now, by=users[0], settings=settings, invitational=invitational)
        if kind == "doomed":
            self._minded.add(str(race))
            self._later(race, now + 2.0, self.world.join, race, users[0])
            self._later(race, now + self._random.uniform(20.0, 40.0), self.world.cancel, race, users[0])
        else:
            self._cast(race, users, now)

    def _free_users(self, category: Category, count: int) -> list[User]:
        taken = {entrant.user for race in self.world.current.values() for entrant in race.entrants}
        taken |= {race.opened_by for race in self.world.current.values()}
        staff = {*category.owners, *category.moderators}
        free = [user for user in self.world.users.values() if user not in taken and user not in staff]
        return self._random.sample(free, min(count, len(free)))

    def _later(self, race: Race, when: float, deed: Callable[..., object], *args: object) -> None:
        """Call `deed(*args, now)` then, unless the race is gone."""

        def step(now: float) -> None:
            if str(race) in self.world.races:
                deed(*args, now)

        self.at(when, step)

    # one race

    def _cast(self, race: Race, users: list[User], now: float) -> None:
        """Write the part of the race up to its start: who comes when, who gets ready when."""
        self._minded.add(str(race))
        world = self.world
        teams: list[Team] = []
        arrival, readiness = now + 1.0, now + 18.0
        for place, user in enumerate(users):
            arrival += self._random.uniform(1.0, 3.5)
            readiness += self._random.uniform(0.5, 4.0)
            self._later(race, arrival, self._arrive, race, user)
            if race.settings.team_race:
                self._later(race, arrival + 1.0, self._take_team, race, user, teams, place)
            self._later(race, readiness, world.ready, race, user)
        if self._random.random() < 0.5:
            self._later(race, now + 12.0, world.chat, race, users[0], self._random.choice(CHATTER))
        if len(users) > 2 and self._random.random() < 0.3:
            # Somebody changes their mind, and changes it again.
            self._later(race, now + 13.5, world.leave, race, users[-1])
            self._later(race, now + 14.0, self._arrive, race, users[-1])
        self._later(race, readiness + 1.0, self._watch_start, race)
        self._later(race, now + GIVE_UP_S, self._give_up, race)

    def _arrive(self, race: Race, user: User, now: float) -> None:
        if race.settings.streaming_required and not user.live:
            self.world.go_live(user, now)
        if race.state is not RaceState.INVITATIONAL or race.can_monitor(user):
            self.world.join(race, user, now)
        elif race.opened_by is not None and self._random.random() < 0.5:
            self.world.invite(race, user, race.opened_by, now)
            self._later(race, now + 1.5, self.world.accept_invite, race, user)
        else:
            entrant = self.world.request_invite(race, user, now)
            self._later(race, now + 2.0, self.world.accept_request, race, entrant, race.category.moderators[0])

    def _take_team(self, race: Race, user: User, teams: list[Team], place: int, now: float) -> None:
        if len(teams) < 2:
            teams.append(self.world.set_team(race, user, now))
        else:
            self.world.set_team(race, user, now, teams[place % 2])

    def _watch_start(self, race: Race, now: float) -> None:
        """Wait for the race to run, then write how it ends."""
        if race.state is not RaceState.IN_PROGRESS:
            if race.is_current:
                self._later(race, now + 1.0, self._watch_start, race)
            return
        world = self.world
        all_forfeit = self._random.random() < 0.08
        when = now + 6.0
        for user in [each.user for each in race.entrants if each.remaining and each.user is not None]:
            when += self._random.uniform(1.0, 7.0)
            if all_forfeit or self._random.random() < 0.2:
                self._later(race, when, world.forfeit, race, user)
                continue
            self._later(race, when, world.done, race, user)
            if self._random.random() < 0.15:
                self._later(race, when + 1.5, world.undone, race, user)
                self._later(race, when + 4.0, world.done, race, user)
        self._later(race, when + 9.0, self._settle, race)

    def _settle(self, race: Race, now: float) -> None:
        """Record a finished race; wait while it runs."""
        if race.is_current:
            self._later(race, now + 2.0, self._settle, race)
        elif race.state is RaceState.FINISHED and race.recordable:
            self.world.record(race, race.category.moderators[0], now)

    def _give_up(self, race: Race, now: float) -> None:
        if race.is_current:
            self.world.cancel(race, race.category.moderators[0], now)


def quiet_world(seed: int = 1) -> World:
    """Return the demo's categories, users and bots, and no race.

    A bot's client id is demo-<category>, its secret demo-<category>-secret.
    """
    world = World(seed=seed)
    for name in NAMES:
        world.add_user(name, twitch_name=name)
    world.add_user(HOSTILE_NAME, twitch_name="bold_x").pronouns = "they/<i>them</i>"
    for slug, name, short_name, goals in CATEGORIES:
        category = world.add_category(slug, name, short_name=short_name, goals=goals, info=f"Races of {name}.")
        category.owners.append(world.add_user(f"{short_name}_Owner"))
        category.moderators.append(world.add_user(f"{short_name}_Mod"))
        world.add_bot(category, f"{short_name}Bot", client_id=f"demo-{slug}", client_secret=f"demo-{slug}-secret")
    return world


def demo(now: float, seed: int = 1) -> Scenario:
    """Return the world in which races go on for ever."""
    return Demo(now, seed=seed)


def quiet(now: float, seed: int = 1) -> Scenario:  # noqa: ARG001  (all scenarios are made alike)
    """Return the demo's world without any race: whoever holds it plays by hand."""
    return Scenario(quiet_world(seed))
