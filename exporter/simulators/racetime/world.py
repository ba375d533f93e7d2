"""The simulated site as one object: books, rooms, people and bots, without sockets and without a clock.

    Registry -> Lifecycle -> People -> World

Whoever changes something passes `now` in Unix seconds; whoever wants to see it subscribes to the broadcasts.
"""

from exporter.simulators.racetime import bot_actions, forms
from exporter.simulators.racetime.people import People
from exporter.simulators.racetime.records import Bot, Category, Race, Token
from exporter.simulators.racetime.registry import SCOPES, Refused


class World(People):
    """Everything the site knows. It survives restarts of the server: tokens and races stay."""

    def token_of(self, bot: Bot, now: float) -> str:
        """Give a bot a token without HTTP, for tests."""
        return self.issue_token(bot, now).value

    def bot_for(self, token: Token | None, category: Category) -> Bot | None:
        """Return the token's bot if it may act in that category."""
        if token is None or not token.bot.active or token.bot.category is not category:
            return None
        return token.bot

    def start_race(self, bot: Bot, category: Category, form: forms.Form, now: float) -> Race:
        """Open a room as a bot does over HTTP; raises FormInvalid. Nothing makes it idempotent."""
        settings = forms.new_settings(form, category)
        invitational = forms.is_true(form.get("invitational", ""))
        return self.open_race(category, now=now, by=bot, settings=settings, invitational=invitational)

    def edit_race(self, bot: Bot, race: Race, form: forms.Form, now: float) -> None:
        """Change a room as a bot does over HTTP; raises FormInvalid, or Refused for an ended race."""
        if race.is_done:
            raise Refused
        before, race.settings = race.settings, forms.edited_settings(form, race)
        after = race.settings
        if race.is_preparing:
            race.recordable = after.ranked and after.custom_goal is None
        self.change(race)
        lines = []
        if (before.goal, before.custom_goal) != (after.goal, after.custom_goal):
            lines.append(f"{bot} set a new goal: {race.goal_name}")
        if before.streaming_required != after.streaming_required:
            lines.append(f"Streaming is now {'' if after.streaming_required else 'NOT '}required for this race.")
        if before.chat_message_delay_s != after.chat_message_delay_s:
            delay_s = after.chat_message_delay_s
            lines.append(f"Chat delay is now {delay_s} seconds." if delay_s else "Chat delay has been removed.")
        for line in lines:
            self.announce(race, line, now)
        if not lines:
            self.publish(race, now)

    def act(self, race: Race, bot: Bot, action: str, data: object, now: float) -> None:
        """Do a bot's action; raises Refused with the words of the `error` frame, or ServerCrash."""
        bot_actions.act(self, race, bot, action, data, now=now)


__all__ = ["SCOPES", "World"]
