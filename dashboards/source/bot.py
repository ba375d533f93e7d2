"""Bot detail: what is the matter with this one, and since when?"""

from typing import Final

from dashboards.source.common import AGE, OF_A_PLACE, choices, marks
from dashboards.source.grafana import Column, Dashboard, Panel, Query, Row, colored, graph, stat, steps, table
from dashboards.source.grafana import timeline as band
from dashboards.source.queries import EACH_BOT, Selector, counted
from dashboards.source.words import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    STATES,
    STATUSES,
    YELLOW,
    state_mapping,
    status_mapping,
    values,
    yes_no,
)

s: Final = Selector(("platform", "bot"))
NO_BOT: Final = "No such bot, or the exporter was not scraped"


def _each(metric: str, *more: str) -> str:
    return s.once(s(metric), *more)


def _now() -> tuple[Panel, ...]:
    return (
        stat(
            "Does it work?",
            "The verdict: green works, red is in trouble, yellow was stopped by somebody, grey is not known yet.",
            Query(s.present("bot_status", "status", STATUSES), "{{bot}}"),
            nothing=NO_BOT,
            mappings=status_mapping(),
        ),
        stat(
            "Which process runs it?",
            "The exporter that has it now. A click leads to what it says of the bot, with the last error in full.",
            Query(s.place("bot_up"), "{{instance}}"),
            nothing=NO_BOT,
            text="name",
            links=OF_A_PLACE,
        ),
        stat(
            "Why not?",
            "The reason of the verdict. docs/runbooks/BotDown.md and BotAuthFailed.md say what to do about each.",
            Query(f"{_each('bot_status_reason', 'reason')} == 1", "{{reason}}"),
            nothing="No reason: it works, or was stopped",
            text="name",
            thresholds=steps((None, RED)),
        ),
        stat(
            "What is it doing?",
            "Its state: where it is in the life of its platform.",
            Query(s.present("bot_state", "state", STATES), "{{bot}}"),
            nothing=NO_BOT,
            mappings=state_mapping(),
        ),
        stat(
            "When does it try again?",
            "The time until the next attempt to connect. Without one it is connected, stopped, or waits for somebody "
            "to act.",
            Query(f"{_each('bot_next_retry_timestamp_seconds')} - time() > 0", "{{bot}}"),
            nothing="No attempt is planned",
            unit="s",
        ),
        stat(
            "How old is the last proof?",
            "The time since its service last proved that it works.",
            Query(f"time() - {_each('bot_last_status_check_timestamp_seconds')}", "{{bot}}"),
            nothing="Nothing was ever proved",
            unit="s",
            thresholds=steps((None, GREEN), (120, YELLOW), (300, RED)),
        ),
        stat(
            "How long is its token good?",
            "The time until the token ends that it logs on with; it should be renewed long before.",
            Query(f"{_each('bot_token_expiry_timestamp_seconds')} - time()", "{{bot}}"),
            nothing="It has no token",
            unit="s",
            thresholds=steps((None, RED), (3600, GREEN)),
        ),
        stat(
            "Is it switched on?",
            "Whether it is to run: as its configuration or the last order to start or stop says.",
            Query(_each("bot_active"), "{{bot}}"),
            nothing=NO_BOT,
            mappings=yes_no(("yes", GREEN), ("no", YELLOW)),
        ),
        stat(
            "Is it in maintenance?",
            "Whether somebody announced maintenance: then no alert is about it, and it takes no new work.",
            Query(_each("bot_maintenance"), "{{bot}}"),
            nothing=NO_BOT,
            mappings=yes_no(("yes", YELLOW), ("no", GREEN)),
        ),
        stat(
            "Can it take new work?",
            "Whether it is connected, ready, not busy, not in maintenance, and the exporter does not drain.",
            Query(_each("bot_available"), "{{bot}}"),
            nothing=NO_BOT,
            mappings=yes_no(("yes", GREEN), ("no", YELLOW)),
        ),
        stat(
            "Does it wait for a guard code?",
            "Hand the code in that Steam has sent: botctl guard-code NAME CODE.",
            Query(_each("bot_guard_code_waiting"), "{{bot}}"),
            nothing=NO_BOT,
            mappings=yes_no(("waits", ORANGE), ("no", GREEN)),
        ),
        stat(
            "Since when is it connected?",
            "The time since it last became connected, while it is.",
            Query(f"time() - {_each('bot_connected_since_timestamp_seconds')}", "{{bot}}"),
            nothing="It is not connected",
            unit="s",
        ),
        stat(
            "How did it fare before?",
            "The time since it last became connected, since its last error, and since something last happened in a "
            "lobby or race, also if that was before the exporter's start.",
            Query(f"time() - {_each('bot_last_connected_timestamp_seconds')}", "connected"),
            Query(f"time() - {_each('bot_last_error_timestamp_seconds')}", "last error"),
            Query(f"time() - {_each('bot_last_activity_timestamp_seconds')}", "lobby or race"),
            nothing="It was never connected",
            unit="s",
        ),
    )


def _history() -> tuple[Panel, ...]:
    on_off = [values({1: ("yes", GREEN), 0: ("no", GREY)})]
    return (
        band(
            "How did the verdict change?",
            "Green works, red is in trouble, yellow was stopped by somebody, grey is not known yet. A gap is a time in "
            "which the exporter was not scraped.",
            Query(s.present("bot_status", "status", STATUSES), "{{bot}}"),
            nothing=NO_BOT,
            mappings=status_mapping(),
            height=5,
        ),
        band(
            "What was it doing?",
            "Its state over time.",
            Query(s.present("bot_state", "state", STATES), "{{bot}}"),
            nothing=NO_BOT,
            mappings=state_mapping(),
            height=5,
        ),
        band(
            "What was the reason?",
            "Each reason that the verdict had in the time shown.",
            Query(f"{_each('bot_status_reason', 'reason')} == 1", "{{reason}}"),
            nothing="It had no trouble in the time shown",
            mappings=[values({1: ("so it was", RED)})],
            height=5,
        ),
        band(
            "Was it switched on, in maintenance, free for work?",
            "What operators ordered, and whether new work could go to it.",
            Query(_each("bot_active"), "switched on"),
            Query(_each("bot_maintenance"), "in maintenance"),
            Query(_each("bot_available"), "free for work"),
            nothing=NO_BOT,
            mappings=on_off,
            height=6,
        ),
    )


def _connection() -> tuple[Panel, ...]:
    return (
        graph(
            "How often did it connect, and come back?",
            "Attempts to connect, and times it became connected again after it was not.",
            Query(counted(s("bot_connection_attempts_total"), EACH_BOT), "attempts"),
            Query(counted(s("bot_reconnects_total"), EACH_BOT), "came back"),
            nothing=NO_BOT,
            unit="none",
            bars=True,
        ),
        graph(
            "What went wrong?",
            "Failed attempts, refusals of credentials, ends of connections, and failures of the bot's own code, by "
            "reason.",
            Query(f"{counted(s('bot_connection_failures_total'), 'reason')} > 0", "failed: {{reason}}"),
            Query(f"{counted(s('bot_auth_failures_total'), 'reason')} > 0", "refused: {{reason}}"),
            Query(f"{counted(s('bot_disconnects_total'), 'reason')} > 0", "lost: {{reason}}"),
            Query(counted(s("bot_crashes_total"), "bot"), "a bug: see the log"),
            nothing=NO_BOT,
            unit="none",
            bars=True,
        ),
        graph(
            "Does its service talk to it?",
            "Messages received and sent, a second. A connected bot that receives nothing at all is dead or alone.",
            Query(f"sum by (bot) (rate({s('bot_messages_received_total')}[$__rate_interval]))", "received"),
            Query(f"sum by (bot) (rate({s('bot_messages_sent_total')}[$__rate_interval]))", "sent"),
            nothing=NO_BOT,
            unit="ops",
        ),
        graph(
            "Does it understand its service?",
            "Messages of a kind that it does not know, and messages that break the service's own protocol, by what was "
            "wrong. News from the service, or a bug: keep the log.",
            Query(counted(s("bot_unknown_messages_total"), "bot"), "unknown"),
            Query(counted(s("bot_protocol_errors_total"), "kind"), "broken: {{kind}}"),
            nothing=NO_BOT,
            unit="none",
            bars=True,
        ),
        graph(
            "Through which states did it go?",
            "How often it entered each state.",
            Query(f"{counted(s('bot_state_transitions_total'), 'state')} > 0", "{{state}}"),
            nothing="It stayed where it was",
            unit="none",
            bars=True,
            width=24,
        ),
    )


def _work() -> tuple[Panel, ...]:
    return (
        table(
            "Which lobby has it open?",
            "The open lobby of a Dota 2 bot, its region and mode, and how long it has been in its state.",
            Column("", f"max by ({EACH_BOT}, lobby_id, server_region, game_mode) ({s('bot_lobby_info')})", {}),
            Column(
                "in this state for",
                f"time() - max by ({EACH_BOT}, state) ({s('bot_lobby_state_since_timestamp_seconds')})",
                AGE,
            ),
            nothing="No lobby is open, or it is no Dota 2 bot",
            labels={"lobby_id": {}, "state": {}, "server_region": {}, "game_mode": {}},
            hidden=["bot", "platform", "job"],
            width=12,
            height=8,
        ),
        graph(
            "Who sits in its lobby?",
            "Players by team, without the bot itself.",
            Query(f"sum by (team) ({s('bot_lobby_players')})", "{{team}}"),
            nothing="It is no Dota 2 bot",
            unit="none",
            stacked=True,
            overrides=colored({"radiant": GREEN, "dire": RED, "spectator": YELLOW, "unassigned": GREY}),
        ),
        graph(
            "What became of its lobbies?",
            "Lobbies that it made, that ended, by outcome, and that did not come about, by reason.",
            Query(counted(s("bot_lobbies_created_total"), "bot"), "made"),
            Query(f"{counted(s('bot_lobbies_finished_total'), 'outcome')} > 0", "ended: {{outcome}}"),
            Query(f"{counted(s('bot_lobby_create_failures_total'), 'reason')} > 0", "not made: {{reason}}"),
            nothing="It is no Dota 2 bot",
            unit="none",
            bars=True,
        ),
        graph(
            "Is it in its race rooms?",
            "Rooms that a racetime.gg bot is in or should be in, by whether its socket to the room is open.",
            Query(f"sum by (connected) ({s('bot_race_rooms')})", "connected: {{connected}}"),
            nothing="It is no racetime.gg bot",
            unit="none",
            stacked=True,
            overrides=colored({"connected: true": GREEN, "connected: false": RED}),
        ),
        graph(
            "Do its polls of the category succeed?",
            "Polls a second, and failed ones by reason. A good poll is what proves that a racetime.gg bot works.",
            Query(f"sum by (bot) (rate({s('bot_racetime_polls_total')}[$__rate_interval]))", "polls"),
            Query(
                f"sum by (reason) (rate({s('bot_racetime_poll_failures_total')}[$__rate_interval])) > 0",
                "failed: {{reason}}",
            ),
            nothing="It is no racetime.gg bot",
            unit="ops",
        ),
        graph(
            "What became of its races?",
            "Rooms that it opened, and races that it saw end, by outcome.",
            Query(counted(s("bot_races_created_total"), "bot"), "opened"),
            Query(f"{counted(s('bot_races_finished_total'), 'outcome')} > 0", "ended: {{outcome}}"),
            nothing="It is no racetime.gg bot",
            unit="none",
            bars=True,
        ),
    )


BOT: Final = Dashboard(
    uid="bot-exporter-bot",
    title="Bots: bot detail",
    about="What is the matter with one bot, and since when?",
    choices=choices(platform=True, one_bot=True),
    marks=marks(),
    rows=(
        Row("How is it now?", _now()),
        Row("How was it?", _history()),
        Row("How is its connection?", _connection()),
        Row("What does it work on?", _work()),
    ),
)
