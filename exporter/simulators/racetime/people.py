"""What users do in a room, by the buttons and the chat of the site.

Every deed raises Refused with the site's words when it is not allowed now.
"""

from collections.abc import Callable
from typing import Any

from exporter.simulators.racetime import wire
from exporter.simulators.racetime.lifecycle import Lifecycle, Who
from exporter.simulators.racetime.records import Entrant, EntryState, Message, Race, RaceState, Team, User
from exporter.simulators.racetime.registry import Refused

TOO_EARLY_S = 5.0
MAX_MONITORS = 5
_TEAM_NAMES = ("Cunning Cloud", "Merry Magnets", "Quiet Quartet", "Silver Spoons", "Wild Wagons", "Zesty Zebras")


def _out_of_sync(text: str) -> Refused:
    return Refused(f"{text} Refresh to continue.")


class People(Lifecycle):
    """Users' deeds: joining, racing, chatting, moderating."""

    # before the start

    def may_join(self, race: Race, user: User) -> bool:
        """Say whether the user may take part: not banned, not entered, streaming if required, not racing elsewhere."""
        return (
            race.category.slug not in user.banned_from
            and race.entrant_of(user) is None
            and (not race.settings.streaming_required or user.twitch_name is not None)
            and self.active_entry(user) is None
        )

    def join(self, race: Race, user: User, now: float) -> Entrant:
        """Enter an open room; a monitor may enter an invitational one."""
        open_to = race.state is RaceState.OPEN or (race.state is RaceState.INVITATIONAL and race.can_monitor(user))
        if not (self.may_join(race, user) and open_to):
            raise Refused("You are not eligible to join this race.")
        return self._enter(race, user, EntryState.JOINED, "joins the race.", now)

    def request_invite(self, race: Race, user: User, now: float) -> Entrant:
        """Ask to take part in an invitational room."""
        if race.can_monitor(user):
            return self.join(race, user, now)
        if not (self.may_join(race, user) and race.state is RaceState.INVITATIONAL):
            raise Refused("You are not eligible to join this race.")
        return self._enter(race, user, EntryState.REQUESTED, "requests to join the race.", now)

    def cancel_invite(self, race: Race, user: User, now: float) -> None:
        """Take back a request to join."""
        entrant = race.entrant_of(user)
        if entrant is None or entrant.state is not EntryState.REQUESTED:
            raise _out_of_sync("You do not have a join request to cancel.")
        self._depart(race, entrant, "withdraws a request to join.", now)

    def invite(self, race: Race, user: User, by: Who, now: float) -> Entrant:
        """Invite a user; `by` is a monitor or a bot."""
        if race.entrant_of(user) is not None:
            raise Refused(f"{user} is already an entrant.")
        if not self.may_join(race, user):
            raise Refused(f"{user} is not allowed to join this race.")
        if not race.is_preparing:
            raise Refused("User is not eligible to join this race.")
        entrant = self.new_entrant(race, user, EntryState.INVITED)
        self._changed(race, f"{by} invites {race.name_of(entrant)} to join the race.", now)
        return entrant

    def accept_invite(self, race: Race, user: User, now: float) -> None:
        """Take part after an invitation."""
        entrant = self._invited(race, user)
        entrant.state = EntryState.JOINED
        self._changed(race, f"{race.name_of(entrant)} accepts an invitation to join.", now)

    def decline_invite(self, race: Race, user: User, now: float) -> None:
        """Decline an invitation; the entry goes away."""
        entrant = self._invited(race, user)
        if race.disqualify_unready:
            raise Refused("You are not allowed to quit this race.")
        self._depart(race, entrant, "declines an invitation to join.", now)

    def leave(self, race: Race, user: User, now: float) -> None:
        """Quit before the start."""
        entrant = race.entrant_of(user)
        if entrant is None or not entrant.joined:
            raise _out_of_sync("You cannot leave this race because you are not an entrant anyway.")
        if not race.is_preparing:
            raise _out_of_sync("You cannot leave this race because the race has already started.")
        if race.disqualify_unready:
            raise Refused("You are not allowed to quit this race.")
        self._depart(race, entrant, "quits the race.", now)

    def set_team(self, race: Race, user: User, now: float, team: Team | None = None) -> Team:
        """Join a team of a team race; without one, found a new informal team."""
        entrant = race.entrant_of(user)
        if not race.settings.team_race:
            raise Refused("Not a team race.")
        if entrant is None or not entrant.joined:
            raise Refused("Cannot join a team (join the race first!).")
        if not race.is_preparing:
            raise Refused("Cannot change team during the race.")
        if team is None:
            name = f"The {self.random.choice(_TEAM_NAMES)}"
            team = Team(name, f"{name.lower().replace(' ', '-')}-{self.random.randrange(1, 9999):04}")
        if entrant.team == team:
            raise Refused("You are already in that team.")
        entrant.team = team
        self._changed(race, f"{race.name_of(entrant)} joins {team.name}.", now)
        return team

    def go_live(self, user: User, now: float, *, live: bool = True) -> None:
        """Start or stop a user's stream; rooms the user takes part in show it without a chat line."""
        user.live = live
        for race in list(self.current.values()):
            if race.entrant_of(user) is not None:
                self.change(race)
                self.publish(race, now)

    def ready(self, race: Race, user: User, now: float) -> None:
        """Be ready; the race starts by itself once everyone is."""
        entrant = race.entrant_of(user)
        allowed = entrant is not None and entrant.joined and race.is_preparing and not entrant.ready
        if entrant is None or not allowed or race.settings.partitionable or not self._streams(race, entrant):
            raise _out_of_sync("You cannot ready up at this time.")
        if race.settings.team_race and entrant.team is None:
            raise Refused("You must join a team before readying up.")
        entrant.ready = True
        self._changed(race, f"{race.name_of(entrant)} is ready! ({self._unready(race)} remaining)", now)

    def unready(self, race: Race, user: User, now: float) -> None:
        """Be not ready after all."""
        entrant = race.entrant_of(user)
        if entrant is None or not (entrant.joined and race.is_preparing and entrant.ready):
            raise _out_of_sync("You cannot unready at this time.")
        entrant.ready = False
        self._changed(race, f"{race.name_of(entrant)} is not ready. ({self._unready(race)} remaining)", now)

    # the race

    def done(self, race: Race, user: User, now: float) -> None:
        """Finish."""
        entrant = self._runner(race, user)
        if entrant is None:
            raise _out_of_sync("You cannot finish at this time.")
        if race.running_for(now) < TOO_EARLY_S:
            raise Refused("You cannot finish this early. Did you hit .done by accident?")
        entrant.finish_time_s = race.running_for(now)
        self._recount_places(race)
        place, time = wire.ordinal(entrant.place or 0), wire.timer(entrant.finish_time_s, tenths=False)
        text = f"{race.name_of(entrant)} has ##good##finished## in {place} place with a time of {time}!"
        self._changed(race, text, now)

    def undone(self, race: Race, user: User, now: float) -> None:
        """Take back a finish; within 10 minutes this restarts a race that had ended."""
        entrant = race.entrant_of(user)
        if entrant is None or not entrant.finished or not self._may_undo(race, user, "finish", now):
            raise _out_of_sync("You cannot undo your finish at this time.")
        entrant.finish_time_s = entrant.place = entrant.comment = None
        self._recount_places(race)
        self._changed(race, f"{race.name_of(entrant)} is no longer done.", now)
        if race.is_done:
            self.restart(race, now)

    def forfeit(self, race: Race, user: User, now: float) -> None:
        """Give up."""
        entrant = self._runner(race, user)
        if entrant is None:
            raise _out_of_sync("You cannot forfeit at this time.")
        if race.running_for(now) < TOO_EARLY_S:
            raise Refused(
                "You cannot forfeit this early. If you are using an auto-splitter, you should configure it to not "
                "auto-reset the timer when starting a run."
            )
        entrant.dnf = True
        self._changed(race, f"{race.name_of(entrant)} has ##bad##forfeited## from the race.", now)

    def unforfeit(self, race: Race, user: User, now: float) -> None:
        """Take back a forfeit; within 10 minutes this restarts a race that had ended."""
        entrant = race.entrant_of(user)
        gave_up = entrant is not None and entrant.joined and entrant.ready and entrant.dnf and not entrant.dq
        if entrant is None or not gave_up or not self._may_undo(race, user, "forfeit", now):
            raise _out_of_sync("You cannot undo your forfeit at this time.")
        entrant.dnf = False
        entrant.comment = None
        self._changed(race, f"{race.name_of(entrant)} has un-forfeited from the race.", now)
        if race.is_done:
            self.restart(race, now)

    def add_comment(self, race: Race, user: User, comment: str, now: float) -> None:
        """Leave a remark, or change it."""
        entrant = race.entrant_of(user)
        if entrant is None or not wire.can_comment(race, entrant, now):
            raise _out_of_sync("You cannot add a comment at this time.")
        verb = "changed their" if entrant.comment else "added a"
        entrant.comment = comment
        self._changed(race, f"{race.name_of(entrant)} {verb} comment.", now)

    def split(self, race: Race, user: User, name: str, time: str, now: float, *, is_finish: bool = False) -> None:
        """Pass on a split of the user's timer; the time "-" takes one back."""
        facts = {"split_name": name.lower(), "split_time": time, "is_undo": time == "-", "is_finish": is_finish}
        self.broadcast(race, "race.split", {"split": {**facts, "user_id": user.id}}, now)

    # chat

    def chat(self, race: Race, user: User, text: str, now: float, *, to: User | None = None) -> Message:
        """Write a line, or a private one with `to`."""
        monitor = race.can_monitor(user)
        if race.chat_is_closed(now):
            raise Refused("This race chat is now closed. No new messages may be added.")
        # Assumption: the words; that users cannot chat then is documented, what they read was not captured.
        if race.chat_is_restricted and not monitor:
            raise Refused("You do not have permission to chat in this race.")
        delay_s = 0 if monitor else race.settings.chat_message_delay_s
        facts: dict[str, Any] = {"user": user, "direct_to": to, "delay_s": delay_s, "from_monitor": monitor}
        return self.deliver(race, self.new_message(race, now, text, **facts), now)

    def deliver(self, race: Race, line: Message, now: float) -> Message:
        """Broadcast a new line; of a private one only that it passed."""
        if line.direct_to is None:
            self.broadcast(race, "chat.message", {"message": wire.message(race, line)}, now)
        else:
            self.broadcast(race, "chat.dm", wire.direct_message(line, line.direct_to), now)
        return line

    def set_pin(self, race: Race, line: Message, now: float, *, pinned: bool) -> None:
        """Pin or unpin a line; nothing happens if it is so already."""
        if line.pinned is not pinned:
            line.pinned = pinned
            self.broadcast(race, "chat.pin" if pinned else "chat.unpin", {"message": wire.message(race, line)}, now)

    def delete_message(self, race: Race, line: Message, by: User, now: float) -> None:
        """Remove one line, as a moderator."""
        line.deleted = True
        facts = {
            "id": line.id,
            "user": wire.user(line.user, race.category),
            "bot": line.bot.name if line.bot else None,
            "is_bot": line.bot is not None,
            "deleted_by": wire.user(by, race.category),
        }
        self.broadcast(race, "chat.delete", {"delete": facts}, now)

    def purge(self, race: Race, user: User, by: User, now: float) -> None:
        """Remove every line of a user, as a moderator."""
        for line in race.messages:
            line.deleted = line.deleted or line.user is user
        facts = {"user": wire.user(user, race.category), "purged_by": wire.user(by, race.category)}
        self.broadcast(race, "chat.purge", {"purge": facts}, now)

    # monitors and moderators; `by` may be a bot where bots may do the same

    def accept_request(self, race: Race, entrant: Entrant, by: Who, now: float) -> None:
        """Let a user in who asked."""
        if entrant.state is not EntryState.REQUESTED:
            raise _out_of_sync("This user has not requested to join this race.")
        entrant.state = EntryState.JOINED
        self._changed(race, f"{by} accepts a request to join from {race.name_of(entrant)}.", now)

    def force_unready(self, race: Race, entrant: Entrant, by: Who, now: float) -> None:
        """Make an entrant not ready."""
        if not (entrant.joined and race.is_preparing and entrant.ready):
            raise _out_of_sync("You cannot force this entrant to unready at this time.")
        entrant.ready = False
        self._changed(race, f"{by} unreadies {race.name_of(entrant)}.", now)

    def remove_entrant(self, race: Race, entrant: Entrant, by: Who, now: float) -> None:
        """Take an entrant, an invitation or a request out of the room."""
        if not race.is_preparing or entrant.state is EntryState.DECLINED:
            raise _out_of_sync("You cannot remove this entrant at this time.")
        race.entrants.remove(entrant)
        self._changed(race, f"{by} removes {race.name_of(entrant)} from the race.", now)

    def override_stream(self, race: Race, entrant: Entrant, by: Who, now: float) -> None:
        """Let an entrant race without streaming."""
        required = race.is_preparing and race.settings.streaming_required and not race.settings.partitionable
        if not (required and entrant.joined and not self._streams(race, entrant)):
            raise _out_of_sync("You cannot set a stream override for this entrant at this time.")
        entrant.stream_override = True
        self._changed(race, f"{by} sets a stream override for {race.name_of(entrant)}.", now)

    def add_monitor(self, race: Race, user: User, by: Who, now: float) -> None:
        """Promote an entrant; nothing happens if the user runs the room already."""
        if len(race.monitors) > MAX_MONITORS:
            raise Refused(f"Races cannot have more than {MAX_MONITORS} monitors.")
        if race.is_current and not race.can_monitor(user):
            race.monitors.append(user)
            self._changed(race, f"{by} promoted {user} to race monitor.", now)

    def remove_monitor(self, race: Race, user: User, by: Who, now: float) -> None:
        """Demote a monitor; nothing happens if the user is none."""
        if race.is_current and user in race.monitors:
            race.monitors.remove(user)
            self._changed(race, f"{by} demoted {user} from race monitor.", now)

    def disqualify(self, race: Race, entrant: Entrant, by: User, now: float) -> None:
        """Take an entrant out of the ranking, as a moderator."""
        closed = race.is_preparing or race.recorded or (race.is_done and not race.recordable)
        if closed or not entrant.joined or entrant.dq:
            raise _out_of_sync("You cannot disqualify ths entrant at this time.")
        entrant.dq = True
        entrant.comment = None
        self._recount_places(race)
        self._changed(race, f"{race.name_of(entrant)} has been disqualified from the race by {by}.", now)

    def _changed(self, race: Race, text: str, now: float) -> None:
        self.change(race)
        self.announce(race, text, now)

    def _enter(self, race: Race, user: User, state: EntryState, text: str, now: float) -> Entrant:
        entrant = self.new_entrant(race, user, state)
        self._changed(race, f"{race.name_of(entrant)} {text}", now)
        return entrant

    def _depart(self, race: Race, entrant: Entrant, text: str, now: float) -> None:
        race.entrants.remove(entrant)
        self._changed(race, f"{race.name_of(entrant)} {text}", now)

    def _invited(self, race: Race, user: User) -> Entrant:
        entrant = race.entrant_of(user)
        if entrant is None or entrant.state is not EntryState.INVITED:
            raise _out_of_sync("You have not been invited to join this race.")
        return entrant

    def _runner(self, race: Race, user: User) -> Entrant | None:
        entrant = race.entrant_of(user)
        running = race.state is RaceState.IN_PROGRESS and entrant is not None and entrant.remaining and entrant.ready
        return entrant if running else None

    def _may_undo(self, race: Race, user: User, what: str, now: float) -> bool:
        undoable = race.is_done and race.can_be_undone(now)
        if undoable and race.running_for(now) >= race.settings.time_limit_h * 3600:
            raise Refused(f"You cannot undo your {what} as the race time limit has expired.")
        if self.active_entry(user) is not None:
            raise Refused(f"You cannot undo your {what} as you have joined another race.")
        return undoable or race.state is RaceState.IN_PROGRESS

    def _streams(self, race: Race, entrant: Entrant) -> bool:
        return not race.settings.streaming_required or entrant.stream_live or entrant.stream_override

    def _unready(self, race: Race) -> int:
        return sum(each.joined and not each.ready for each in race.entrants)

    def _recount_places(self, race: Race) -> None:
        """Number the finishers; counts as a change of its own, so that versions skip as the real ones do."""
        finishers = [each for each in race.entrants if each.finished]
        finishers.sort(key=lambda each: each.finish_time_s or 0.0)
        for entrant in race.entrants:
            entrant.place = finishers.index(entrant) + 1 if entrant in finishers else None
        self.change(race)


UserDeed = Callable[[People, Race, User, float], object]

USER_DEEDS: dict[str, UserDeed] = {
    "join": People.join,
    "request_invite": People.request_invite,
    "cancel_invite": People.cancel_invite,
    "accept_invite": People.accept_invite,
    "decline_invite": People.decline_invite,
    "set_team": People.set_team,
    "ready": People.ready,
    "unready": People.unready,
    "leave": People.leave,
    "done": People.done,
    "undone": People.undone,
    "forfeit": People.forfeit,
    "unforfeit": People.unforfeit,
}
