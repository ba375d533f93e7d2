"""Lobbies and races: what are the bots there for, and does it go well?"""

from typing import Final

from dashboards.source.common import AGE, BOT_COLUMNS, CATEGORY, choices, marks
from dashboards.source.grafana import Column, Dashboard, Panel, Query, Row, bars, colored, graph, stat, steps, table
from dashboards.source.queries import EACH_BOT, Selector, counted, quantile
from dashboards.source.words import (
    ENTRANT_COLORS,
    GREEN,
    LOBBY_COLORS,
    ORANGE,
    RACE_COLORS,
    RED,
    YELLOW,
)

s: Final = Selector(("platform", "bot", "category"))
NO_DOTA2: Final = "No Dota 2 bots"
NO_RACETIME: Final = "No racetime.gg bots"


def _now() -> tuple[Panel, ...]:
    return (
        stat(
            "How many lobbies are open?",
            "Lobbies that are being created, wait for players, are ready, or have a game running.",
            Query(f"sum({s('bot_lobbies', state='!finished')})"),
            nothing=NO_DOTA2,
        ),
        stat(
            "How many games run?",
            "Lobbies whose game runs on a server of Valve.",
            Query(f"sum({s('bot_lobbies', state='in_game')})"),
            nothing=NO_DOTA2,
        ),
        stat(
            "How many bots can take a lobby?",
            "Dota 2 bots that are free. At 0 orders for lobbies are refused with 503.",
            Query(f"sum({s.once(s('bot_available', platform='dota2'))})"),
            nothing=NO_DOTA2,
            thresholds=steps((None, RED), (1, GREEN)),
        ),
        stat(
            "How many races are open?",
            "Race rooms that can be joined, or wait for their start.",
            Query(f"sum({s('bot_races', status=('open', 'invitational', 'pending'))})"),
            nothing=NO_RACETIME,
        ),
        stat(
            "How many races are run?",
            "Races in progress.",
            Query(f"sum({s('bot_races', status='in_progress')})"),
            nothing=NO_RACETIME,
        ),
        stat(
            "How many people race?",
            "Entrants in progress, of the rooms whose entrants are known.",
            Query(f"sum({s('bot_race_entrants', status='in_progress')})"),
            nothing=NO_RACETIME,
        ),
    )


def _lobbies() -> tuple[Panel, ...]:
    return (
        table(
            "Which lobbies are open, and for how long?",
            "One row an open lobby. creating takes seconds; waiting or ready for two hours, or in_game for four, is "
            "the alert BotLobbyStuck.",
            Column("", s.place("bot_lobby_info", "lobby_id", "server_region", "game_mode"), {}),
            Column(
                "in this state for",
                f"time() - max by ({EACH_BOT}, state) ({s('bot_lobby_state_since_timestamp_seconds')})",
                AGE
                | {
                    "thresholds": steps((None, "text"), (7200, ORANGE), (14400, RED)),
                    "custom__cellOptions": {"type": "color-text"},
                },
            ),
            Column("radiant", _players("radiant"), {}),
            Column("dire", _players("dire"), {}),
            Column("others", _players("spectator", "unassigned"), {}),
            nothing=NO_DOTA2,
            labels=BOT_COLUMNS | {"lobby_id": {}, "state": {}, "server_region": {}, "game_mode": {}},
            hidden=["job"],
            sort="in this state for",
            descending=True,
        ),
        graph(
            "How many lobbies are in each state?",
            "A finished lobby counts for ten minutes more.",
            Query(f"sum by (state) ({s('bot_lobbies')})", "{{state}}"),
            nothing=NO_DOTA2,
            unit="none",
            stacked=True,
            overrides=colored(LOBBY_COLORS),
        ),
        graph(
            "How do lobbies end?",
            "Ended lobbies by outcome: no_match was closed without a match, unknown ended while nobody saw it.",
            Query(f"{counted(s('bot_lobbies_finished_total'), 'outcome')} > 0", "{{outcome}}"),
            nothing="No lobby ended in the time shown",
            unit="none",
            bars=True,
        ),
        graph(
            "Are lobbies made that were ordered?",
            "Lobbies that the coordinator made, and orders of which nothing came, by reason.",
            Query(f"sum({_increase('bot_lobbies_created_total')})", "made"),
            Query(f"{counted(s('bot_lobby_create_failures_total'), 'reason')} > 0", "not made: {{reason}}"),
            nothing=NO_DOTA2,
            unit="none",
            bars=True,
            overrides=colored({"made": GREEN}),
        ),
        graph(
            "How long does it take to make a lobby?",
            "From the order until the coordinator showed the lobby.",
            Query(quantile(0.5, s("bot_lobby_create_duration_seconds_bucket")), "half"),
            Query(quantile(0.95, s("bot_lobby_create_duration_seconds_bucket")), "95 of 100"),
            nothing="No lobby was made in the time shown",
            unit="s",
        ),
        bars(
            "How long do lobbies stay in each state?",
            "Half of the lobbies that left a state in the time shown had been in it for less than this.",
            Query(quantile(0.5, s("bot_lobby_state_duration_seconds_bucket"), "state", "$__range"), "{{state}}"),
            nothing="No lobby left a state in the time shown",
            unit="s",
            thresholds=steps((None, GREEN)),
        ),
        bars(
            "Who is busy all the time?",
            "The ten bots that made most lobbies in the time shown.",
            Query(f"topk(10, {counted(s('bot_lobbies_created_total'), EACH_BOT, '$__range')})", "{{bot}}"),
            nothing=NO_DOTA2,
            unit="none",
            thresholds=steps((None, GREEN)),
        ),
    )


def _players(*teams: str) -> str:
    """Count those of some teams; a bot without a lobby has a count too, and no row."""
    return (
        f"sum by ({EACH_BOT}) (\n  {s('bot_lobby_players', team=teams)}\n"
        f"    and on (job, instance, bot) {s('bot_lobby_info')}\n)"
    )


def _increase(counter: str) -> str:
    return f"increase({s(counter)}[$__rate_interval])"


def _races() -> tuple[Panel, ...]:
    return (
        table(
            "What is going on in each category?",
            "Race rooms by category, and the longest time that a race there has been in its state. Open for five hours "
            "is the alert BotRaceStuck.",
            Column("rooms", f"sum by (job, category, status) ({s('bot_races')}) > 0", {}),
            Column(
                "the longest for",
                f"time() - min by (job, category, status) ({s('bot_race_oldest_state_since_timestamp_seconds')})",
                AGE
                | {
                    "thresholds": steps((None, "text"), (18000, ORANGE), (93600, RED)),
                    "custom__cellOptions": {"type": "color-text"},
                },
            ),
            nothing="No race is known",
            labels={"category": {}, "status": {}},
            hidden=["job"],
            sort="the longest for",
            descending=True,
        ),
        graph(
            "How many races are in each state?",
            "Race rooms that a bot follows, each counted once; ended ones until the bot leaves them.",
            Query(f"sum by (status) ({s('bot_races')})", "{{status}}"),
            nothing=NO_RACETIME,
            unit="none",
            stacked=True,
            overrides=colored(RACE_COLORS),
        ),
        graph(
            "What do the entrants do?",
            "Entrants by their own status, of the rooms whose entrants are known.",
            Query(f"sum by (status) ({s('bot_race_entrants')}) > 0", "{{status}}"),
            nothing="Nobody is in a race room",
            unit="none",
            stacked=True,
            overrides=colored(ENTRANT_COLORS),
        ),
        graph(
            "How do races end?",
            "Races seen to end, once each, by how they ended first.",
            Query(f"{counted(s('bot_races_finished_total'), 'outcome')} > 0", "{{outcome}}"),
            Query(f"sum({_increase('bot_races_created_total')})", "opened by our bots"),
            nothing=NO_RACETIME,
            unit="none",
            bars=True,
            overrides=colored(RACE_COLORS),
        ),
        graph(
            "Are the bots in their rooms?",
            "Rooms by whether the bot's socket to it is open. One that stays closed: its race goes on, unwatched.",
            Query(f"sum by (connected) ({s('bot_race_rooms')})", "connected: {{connected}}"),
            nothing=NO_RACETIME,
            unit="none",
            stacked=True,
            overrides=colored({"connected: true": GREEN, "connected: false": RED}),
        ),
        graph(
            "Which share of the polls fails?",
            "Failed polls of each bot's category, of all polls.",
            Query(
                f"sum by (bot) (rate({s('bot_racetime_poll_failures_total')}[$__rate_interval]))\n"
                f"  / sum by (bot) (rate({s('bot_racetime_polls_total')}[$__rate_interval]))",
                "{{bot}}",
            ),
            nothing=NO_RACETIME,
            unit="percentunit",
            top=1,
            thresholds=steps((None, GREEN), (0.1, YELLOW), (0.5, RED)),
        ),
        graph(
            "How long has the oldest race been in its state?",
            "By category and state. A line that climbs for hours while open is a room that nobody starts.",
            Query(
                f"time() - min by (category, status) ({s('bot_race_oldest_state_since_timestamp_seconds')})",
                "{{category}}: {{status}}",
            ),
            nothing="No race is known",
            unit="s",
        ),
    )


WORK: Final = Dashboard(
    uid="bot-exporter-work",
    title="Bots: lobbies and races",
    about="What are the bots there for, and does it go well?",
    choices=(*choices(platform=True, bot=True), CATEGORY),
    marks=marks(),
    rows=(
        Row("What is going on?", _now()),
        Row("How do the lobbies of Dota 2 go?", _lobbies()),
        Row("How do the races of racetime.gg go?", _races()),
    ),
)
