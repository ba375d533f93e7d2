"""The life of a room: from open to recorded, and back when somebody undoes a finish.

The site's own words are those of the racetime protocol notes and of messages captured from the real server.
"""

from dataclasses import replace

from exporter.simulators.racetime import wire
from exporter.simulators.racetime.records import (
    Bot,
    Category,
    EntryState,
    Message,
    Race,
    RaceSettings,
    RaceState,
    User,
)
from exporter.simulators.racetime.registry import Refused, Registry

OPEN_LIMIT_S = 4 * 3600.0
LONELY_LIMIT_S = 1800.0
WARNING_S = 300.0
COUNTDOWN = (10, 5, 4, 3, 2, 1)

Who = User | Bot


class Lifecycle(Registry):
    """Rooms that open, count down, start, end and restart."""

    def say(self, race: Race, text: str, now: float, *, highlight: bool = False, pinned: bool = False) -> Message:
        """Post a line of the site itself, without the race.data that mostly follows."""
        line = self.new_message(race, now, text, highlight=highlight, pinned=pinned)
        self.broadcast(race, "chat.message", {"message": wire.message(race, line)}, now)
        return line

    def announce(self, race: Race, text: str, now: float, *, highlight: bool = False) -> None:
        """Post a line of the site, then the race: the normal order of one change."""
        self.say(race, text, now, highlight=highlight)
        self.publish(race, now)

    def open_race(
        self,
        category: Category | str,
        *,
        now: float,
        by: Who | None = None,
        settings: RaceSettings | None = None,
        invitational: bool = False,
        slug: str | None = None,
    ) -> Race:
        """Open a room, with the category's first goal and no streaming rule unless `settings` say otherwise."""
        home = self.categories[category] if isinstance(category, str) else category
        race = self.new_race(
            home,
            settings or RaceSettings(goal=home.goals[0], streaming_required=False),
            now,
            state=RaceState.INVITATIONAL if invitational else RaceState.OPEN,
            opened_by=by if isinstance(by, User) else None,
            opened_by_bot=by.name if isinstance(by, Bot) else None,
            slug=slug,
        )
        if isinstance(by, Bot):
            self.say(race, f"Race opened automatically by {by}", now)
        if race.settings.partitionable:
            self.say(
                race,
                "This is a 1v1 ladder race. Pairings will be picked automatically when the room is partitioned by a "
                "bot or monitor.",
                now,
                highlight=True,
                pinned=True,
            )
        return race

    def make_open(self, race: Race, by: Who, now: float) -> None:
        """Let anyone join."""
        if race.state is not RaceState.INVITATIONAL:
            raise Refused("Race is not an invitational.")
        race.state = RaceState.OPEN
        self.change(race)
        self.announce(race, f"{by} sets the race to be open. Anyone may now join.", now)

    def make_invitational(self, race: Race, by: Who, now: float) -> None:
        """Let only invited users join."""
        if race.state is not RaceState.OPEN:
            raise Refused("Race is not open.")
        race.state = RaceState.INVITATIONAL
        self.change(race)
        self.announce(race, f"{by} sets the race to be invite only.", now)

    def can_begin(self, race: Race) -> bool:
        """Say whether the countdown may start: two ready entrants, teams set."""
        runners = [each for each in race.entrants if each.joined and (each.ready or race.disqualify_unready)]
        return race.is_preparing and len(runners) >= 2 and (not race.settings.team_race or self._teams_are_set(race))

    def begin(self, race: Race, by: Who | None, now: float) -> None:
        """Start the countdown and leave behind whoever is not ready; a ladder room is partitioned instead."""
        if race.settings.partitionable:
            self.partition(race, now)
            return
        if not self.can_begin(race):
            raise Refused("Race cannot be started yet.")
        late = [each for each in race.entrants if not (each.joined and each.ready)]
        for entrant in late:
            # The real server tells the race before it takes the entrants away: the room is seen as it was.
            fate = "has been disqualified from the race." if race.disqualify_unready else "is removed from the race."
            self.announce(race, f"{race.name_of(entrant)} {fate}", now)
        for entrant in late:
            if race.disqualify_unready:
                entrant.dq = True
            else:
                race.entrants.remove(entrant)
        race.state = RaceState.PENDING
        race.started_at = now + race.settings.start_delay_s
        self.change(race)
        delay = f"The race will begin in {race.settings.start_delay_s} seconds!"
        lead = f"{by} has initiated the race." if by else "Everyone is ready."
        self.announce(race, f"{lead} {delay}", now, highlight=True)

    def cancel(self, race: Race, by: Who | None, now: float, *, reason: str = "") -> None:
        """Cancel a current race; entrants who were running did not finish."""
        if race.is_done:
            raise Refused(f"Cannot cancel a race that is in {race.state.value} state.")
        self._close(race, RaceState.CANCELLED)
        race.recordable = False
        race.cancelled_at = now
        if race.started_at is not None:
            race.ended_at = now
            self._expunge(race)
        for entrant in race.entrants:
            entrant.score = None
        self.change(race)
        how = f" by {by}." if by else f". Reason: {reason}."
        self.announce(race, f"This race has been cancelled{how}", now)

    def finish(self, race: Race, now: float) -> None:
        """End a running race; one that nobody finished is cancelled unless it completes by itself."""
        if race.state is not RaceState.IN_PROGRESS:
            raise Refused("Cannot finish a race that has not been started.")
        won = any(each.finished for each in race.entrants) or race.settings.time_limit_auto_complete
        self._close(race, RaceState.FINISHED if won else RaceState.CANCELLED, reveal=not (won and race.recordable))
        race.ended_at = now
        self._expunge(race)
        if won:
            text = f"Race finished in {wire.timer(race.running_for(now))}"
        else:
            race.cancelled_at = now
            race.recordable = False
            for entrant in race.entrants:
                entrant.score = None
            text = "This race has been cancelled due to all entrants forfeiting."
        self.change(race)
        self.announce(race, text, now, highlight=True)

    def restart(self, race: Race, now: float) -> None:
        """Take an ended race back to in_progress, within 10 minutes of its end."""
        if not race.can_be_undone(now):
            raise Refused("Cannot restart a race from this state.")
        race.state = RaceState.IN_PROGRESS
        race.ended_at = race.cancelled_at = None
        race.recordable = race.settings.ranked and race.settings.custom_goal is None
        self.change(race)
        self.announce(race, "Race timer restarted.", now, highlight=True)

    def record(self, race: Race, by: User, now: float) -> None:
        """Make a finished race final and move the scores."""
        if race.state is not RaceState.FINISHED or not race.recordable or race.recorded:
            raise Refused("Race is not recordable or already recorded.")
        race.recorded, race.recorded_by = True, by
        race.settings = replace(race.settings, unlisted=False)
        field = len(race.entrants)
        for entrant in race.entrants:
            # Assumption: any change will do, the real rating system is of no concern to a bot.
            entrant.score_change = 25 * (field - entrant.place) + 5 if entrant.place else -10
            if entrant.user is not None:
                entrant.user.scores[race.category.slug] = max(0, (entrant.score or 1000) + entrant.score_change)
        self.change(race)
        self.announce(race, f"Race result recorded by {by}", now)

    def unrecord(self, race: Race, by: User, now: float) -> None:
        """Decide that a finished race shall not be recorded."""
        if race.state is not RaceState.FINISHED or not race.recordable or race.recorded:
            raise Refused("Race is not recordable or already recorded.")
        race.recordable = False
        race.settings = replace(race.settings, unlisted=False)
        self.change(race)
        self.announce(race, f"Race set to not recorded by {by}", now)

    def partition(self, race: Race, now: float) -> None:
        """Split a ladder room into hidden rooms of two."""
        runners = [each for each in race.entrants if each.joined]
        if not (race.settings.partitionable and race.is_preparing and len(runners) >= 2):
            raise Refused("Race cannot be partitioned yet.")
        if len(runners) % 2:
            odd = runners.pop()
            race.entrants.remove(odd)
            self.change(race)
            self.announce(race, f"{race.name_of(odd)} is removed from the race (uneven partition state).", now)
        self._close(race, RaceState.PARTITIONED)
        race.recordable, race.cancelled_at = False, now
        for entrant in race.entrants:
            entrant.state, entrant.score = EntryState.PARTITIONED, None
        self.change(race)
        # Assumption: pairs are drawn; the real server matches similar scores.
        self.random.shuffle(runners)
        for first, second in zip(runners[::2], runners[1::2], strict=True):
            child = self._open_pair(race, now)
            for entrant in (first, second):
                if entrant.user is None:
                    continue
                self.new_entrant(child, entrant.user)
                self.change(child)
                line = self.new_message(race, now, f"This is your race room: /{child}", direct_to=entrant.user)
                self.broadcast(race, "chat.dm", wire.direct_message(line, entrant.user), now)
        text = "Race has been partitioned. Entrants, follow the link in your DM to continue."
        self.announce(race, text, now, highlight=True)

    def tick(self, now: float) -> None:
        """Do what the site does by itself up to this moment: limits, automatic starts, countdowns, finishes."""
        for race in list(self.current.values()):
            if race.is_preparing:
                self._mind_open_room(race, now)
            if race.state is RaceState.PENDING:
                self._count_down(race, now)
            if race.state is RaceState.IN_PROGRESS:
                self._mind_running_race(race, now)

    def _mind_open_room(self, race: Race, now: float) -> None:
        joined = [each for each in race.entrants if each.joined]
        open_for_s = now - race.opened_at
        if len(joined) < 2:
            if open_for_s >= LONELY_LIMIT_S:
                self.cancel(race, None, now, reason="less than 2 entrants joined")
            elif open_for_s >= LONELY_LIMIT_S - WARNING_S:
                text = "this race will be automatically cancelled in 5 minutes unless at least two entrants join."
                self._warn_once(race, "lonely", text, now)
        elif open_for_s >= OPEN_LIMIT_S:
            self.cancel(race, None, now, reason="dead race room")
        elif (
            race.settings.auto_start
            and not race.settings.partitionable
            and all(each.ready for each in joined)
            and self.can_begin(race)
        ):
            self.begin(race, None, now)

    def _count_down(self, race: Race, now: float) -> None:
        since_start_s = race.running_for(now)
        for seconds in COUNTDOWN:
            if since_start_s >= -seconds and seconds not in race.countdown_said:
                race.countdown_said.add(seconds)
                self.say(race, f"{seconds}…", now, highlight=True)
        if since_start_s >= 0:
            race.state = RaceState.IN_PROGRESS
            self.change(race)
            self.announce(race, "The race has begun! Good luck and have fun.", now, highlight=True)

    def _mind_running_race(self, race: Race, now: float) -> None:
        left_s = race.settings.time_limit_h * 3600 - race.running_for(now)
        if left_s <= 0:
            self.announce(
                race, "This race has reached its time limit. All remaining entrants will now be expunged.", now
            )
            self.finish(race, now)
        elif not any(each.remaining for each in race.entrants):
            self.finish(race, now)
        elif left_s <= WARNING_S:
            text = "this race will reach its time limit in 5 minutes. All remaining entrants will forfeit."
            self._warn_once(race, "limit", text, now)

    def _warn_once(self, race: Race, about: str, text: str, now: float) -> None:
        if about not in race.warned:
            race.warned.add(about)
            self.announce(race, f"Warning: {text}", now, highlight=True)

    def _close(self, race: Race, state: RaceState, *, reveal: bool = True) -> None:
        """Set an end state and show who ran; unlisted rooms become visible unless they can still be recorded."""
        race.state = state
        race.settings = replace(race.settings, hide_entrants=False, unlisted=race.settings.unlisted and not reveal)

    def _expunge(self, race: Race) -> None:
        for entrant in race.entrants:
            if entrant.remaining:
                entrant.dnf = True

    def _teams_are_set(self, race: Race) -> bool:
        sizes: dict[str, int] = {}
        for entrant in race.entrants:
            if entrant.team is None:
                return False
            sizes[entrant.team.slug] = sizes.get(entrant.team.slug, 0) + 1
        return len(sizes) >= 2 and (not race.settings.require_even_teams or len(set(sizes.values())) == 1)

    def _open_pair(self, parent: Race, now: float) -> Race:
        hidden = replace(
            parent.settings,
            partitionable=False,
            hide_entrants=True,
            allow_prerace_chat=False,
            allow_midrace_chat=False,
            allow_non_entrant_chat=False,
        )
        child = self.new_race(parent.category, hidden, now, state=RaceState.INVITATIONAL)
        child.disqualify_unready = True
        child.monitors = list(parent.monitors)
        self.say(child, f"Race partitioned from /{parent}", now)
        return child
