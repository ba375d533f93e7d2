"""Fleet overview: is anything wrong, where, and since when?"""

from typing import Final

from dashboards.source.common import (
    AGE,
    BOT_COLUMNS,
    GOOD_IF_NONE,
    NOTABLE_IF_ANY,
    OF_A_SERIES,
    alerts,
    choices,
    marks,
    status_column,
)
from dashboards.source.grafana import Column, Dashboard, Panel, Query, Row, bars, colored, graph, stat, steps, table
from dashboards.source.grafana import timeline as band
from dashboards.source.queries import EACH_BOT, Selector, counted, quantile
from dashboards.source.words import (
    GREEN,
    ORANGE,
    RED,
    STATE_COLORS,
    STATES,
    STATUS_COLORS,
    STATUSES,
    YELLOW,
    state_mapping,
    status_mapping,
    yes_no,
)

s: Final = Selector(("platform", "bot"))
NO_BOT: Final = "No bot is chosen, or the exporter was not scraped"


def _now() -> tuple[Panel, ...]:
    expected = s.expected(s("bot_up"))
    rests = f"clamp_max(1 - {s('bot_active')} + {s('bot_maintenance')}, 1)"
    return (
        stat(
            "Do the bots that should work do so?",
            "The share of bots that work, of those that are switched on and not in maintenance. A bot works if its "
            "service has proved it a moment ago.",
            Query(f"avg({s.once(expected)})"),
            nothing="No bot should work now",
            unit="percentunit",
            thresholds=steps((None, RED), (0.5, ORANGE), (1, GREEN)),
        ),
        stat(
            "How many are down that should work?",
            "Bots that are switched on, not in maintenance, and not connected.",
            Query(f"sum({s.once(expected)} == bool 0)"),
            nothing="No bot should work now",
            thresholds=GOOD_IF_NONE,
        ),
        stat(
            "Which service seems to be out?",
            "1 if most bots of a platform fail alike by the network: one outage, not many bad bots. Wait: the bots "
            "come back by themselves.",
            Query(f"max({s('bot_racetime_outage')})", "racetime.gg"),
            Query(f"max({s('bot_steam_outage')})", "Steam"),
            nothing=NO_BOT,
            mappings=yes_no(("out", RED), ("well", GREEN)),
        ),
        stat(
            "How many are refused by their service?",
            "Bots whose credentials the service refuses. Most of them wait for somebody to act.",
            Query(f"sum({s.once(s('bot_status', status='auth_failed'))})"),
            nothing=NO_BOT,
            thresholds=GOOD_IF_NONE,
        ),
        stat(
            "How many wait for a guard code?",
            "Logons that go on once somebody hands in the code that Steam has sent: botctl guard-code NAME CODE.",
            Query(f"sum({s.once(s('bot_guard_code_waiting'))})"),
            nothing=NO_BOT,
            thresholds=NOTABLE_IF_ANY,
        ),
        stat(
            "How many can take new work?",
            "Bots that are connected, ready, not busy, not in maintenance, while the exporter does not drain.",
            Query(f"sum by (platform) ({s.once(s('bot_available'))})", "{{platform}}"),
            nothing=NO_BOT,
            thresholds=steps((None, YELLOW), (1, GREEN)),
        ),
        stat(
            "How many rest?",
            "Bots that are switched off or in maintenance; no alert is about them.",
            Query(f"sum({s.once(rests)})"),
            nothing=NO_BOT,
        ),
        stat(
            "How many wait to log on to Steam?",
            "Steam limits the logons of one address, so bots log on one after the other, ten seconds apart.",
            Query(f"sum({s('bot_steam_logon_queue_length')})"),
            nothing="No Steam bots",
        ),
        stat(
            "How long does Steam let nobody log on?",
            "After too many logons Steam limits this address, and all logons pause. Do not restart the exporter.",
            Query(f"max({s('bot_steam_logon_cooldown_until_timestamp_seconds')} - time() > 0)"),
            nothing="No pause",
            unit="s",
            thresholds=steps((None, ORANGE)),
        ),
        stat(
            "Does the exporter drain?",
            "While it does, bots take no new lobbies and races, and it is not ready. One of several is enough here.",
            Query(f"max({s('bot_exporter_draining')})"),
            nothing="The exporter was not scraped",
            mappings=yes_no(("drains", YELLOW), ("no", GREEN)),
        ),
        stat(
            "Can every exporter be scraped?",
            "1 if Prometheus' last scrape worked. Without it nothing on this page is new.",
            Query(f"min({s('up')} and on (job, instance) count_over_time({s('bot_exporter_build_info')}[$__range]))"),
            nothing="No exporter in the time shown",
            mappings=yes_no(("yes", GREEN), ("no", RED)),
        ),
        stat(
            "How long do the exporters run?",
            "The time since the start of the exporter that was started last.",
            Query(f"min(time() - ({s('process_start_time_seconds')} and on (job, instance) {s('bot_info')}))"),
            nothing="No exporter",
            unit="s",
            thresholds=steps((None, ORANGE), (300, GREEN)),
        ),
    )


def _bots() -> tuple[Panel, ...]:
    flag = {"mappings": yes_no(("yes", "text"), ("no", YELLOW)), "custom__cellOptions": {"type": "color-text"}}
    return (
        band(
            "How did the verdict on each bot change?",
            "Green works, red is in trouble, yellow was stopped by somebody, grey is not known yet. A gap is a time "
            "in which the exporter was not scraped, or in which none of several had it. A click leads to the bot.",
            Query(s.present("bot_status", "status", STATUSES), "{{bot}}"),
            nothing=NO_BOT,
            mappings=status_mapping(),
            links=OF_A_SERIES,
            height=12,
        ),
        table(
            "What is each bot doing, and why is it not connected?",
            "One row a bot. The name leads to the bot's own dashboard, to what the exporter says of it, and to its "
            "history. A bot that works has no reason.",
            status_column(s.present("bot_status", "status", STATUSES)),
            Column("state", s.present("bot_state", "state", STATES), {"mappings": state_mapping()}),
            Column("", f"{s.once(s('bot_status_reason'), 'reason')} == 1", {}),
            Column("", s.place("bot_up"), {}),
            Column("switched on", f"max by ({EACH_BOT}) ({s('bot_active')})", flag),
            Column(
                "maintenance",
                f"max by ({EACH_BOT}) ({s('bot_maintenance')})",
                {"mappings": yes_no(("yes", YELLOW), ("no", "text")), "custom__cellOptions": {"type": "color-text"}},
            ),
            Column(
                "connected for", f"time() - max by ({EACH_BOT}) ({s('bot_connected_since_timestamp_seconds')})", AGE
            ),
            Column(
                "proved before", f"time() - max by ({EACH_BOT}) ({s('bot_last_status_check_timestamp_seconds')})", AGE
            ),
            Column("next try in", f"max by ({EACH_BOT}) ({s('bot_next_retry_timestamp_seconds')} - time() > 0)", AGE),
            Column(
                "came back (1h)",
                counted(s("bot_reconnects_total"), EACH_BOT, "1h"),
                {
                    "decimals": 0,
                    "thresholds": steps((None, "text"), (5, ORANGE)),
                    "custom__cellOptions": {"type": "color-text"},
                },
            ),
            nothing=NO_BOT,
            labels=BOT_COLUMNS | {"reason": {}},
            hidden=["job"],
            sort="status",
            descending=True,
        ),
        graph(
            "How many bots have each verdict?",
            "All bots, also those that are switched off.",
            Query(f"sum by (status) ({s.once(s('bot_status'), 'status')})", "{{status}}"),
            nothing=NO_BOT,
            unit="none",
            stacked=True,
            overrides=colored({status.word: color for status, color in STATUS_COLORS.items()}),
        ),
        graph(
            "Why are bots not connected?",
            "Bots by the present reason of their verdict. A refusal that cannot mend itself is not tried again, so it "
            "shows here and not among the failures below.",
            Query(
                f"sum by (platform, reason) ({s.once(s('bot_status_reason'), 'reason')}) > 0",
                "{{platform}}: {{reason}}",
            ),
            nothing="Every bot is connected, or was stopped",
            unit="none",
            stacked=True,
        ),
        graph(
            "Where are the bots in their lives?",
            "Bots by their state: from disconnected over ready for work to busy.",
            Query(f"sum by (state) ({s.once(s('bot_state'), 'state')})", "{{state}}"),
            nothing=NO_BOT,
            unit="none",
            stacked=True,
            overrides=colored(STATE_COLORS),
        ),
        graph(
            "Were there bots for new work?",
            "Bots that could take a lobby or race at once. At 0 orders for lobbies are refused.",
            Query(f"sum by (platform) ({s.once(s('bot_available'))})", "{{platform}}"),
            nothing=NO_BOT,
            unit="none",
        ),
    )


def _connections() -> tuple[Panel, ...]:
    return (
        graph(
            "Who ends connections, and how often?",
            "Ends of connections by reason. kicked and session_replaced mean that somebody else uses the account.",
            Query(f"{counted(s('bot_disconnects_total'), 'platform, reason')} > 0", "{{platform}}: {{reason}}"),
            nothing="No connection was lost",
            unit="none",
            bars=True,
        ),
        graph(
            "What makes connecting fail?",
            "Failed attempts by reason, and refusals of credentials.",
            Query(f"{counted(s('bot_connection_failures_total'), 'platform, reason')} > 0", "{{platform}}: {{reason}}"),
            Query(
                f"{counted(s('bot_auth_failures_total'), 'platform, reason')} > 0", "refused, {{platform}}: {{reason}}"
            ),
            nothing="No attempt failed",
            unit="none",
            bars=True,
        ),
        bars(
            "Which bots come back again and again?",
            "How often each of the ten least steady bots became connected again within the last hour. More than five "
            "times is the alert BotFlapping.",
            Query(f"topk(10, {counted(s('bot_reconnects_total'), EACH_BOT, '1h')})", "{{bot}}"),
            nothing=NO_BOT,
            unit="none",
            thresholds=steps((None, GREEN), (3, YELLOW), (5, RED)),
        ),
        graph(
            "How long does connecting take?",
            "From the start of an attempt until the service has proved that the bot works; for Steam without the time "
            "in the logon queue.",
            Query(quantile(0.5, s("bot_connect_duration_seconds_bucket"), "platform"), "{{platform}}, half"),
            Query(quantile(0.95, s("bot_connect_duration_seconds_bucket"), "platform"), "{{platform}}, 95 of 100"),
            nothing="Nobody connected in the time shown",
            unit="s",
        ),
        graph(
            "How do the logons to Steam go?",
            "Bots that wait for their turn, and attempts to connect by platform. A queue that does not fall means a "
            "pause, or logons that fail.",
            Query(f"sum({s('bot_steam_logon_queue_length')})", "waiting"),
            Query(counted(s("bot_connection_attempts_total"), "platform"), "attempts, {{platform}}"),
            nothing=NO_BOT,
            unit="none",
        ),
        bars(
            "Whose token ends next?",
            "The ten tokens that end first. A Steam token should never have less than weeks, one of racetime.gg never "
            "less than an hour.",
            Query(
                f"bottomk(10, max by ({EACH_BOT}) ({s('bot_token_expiry_timestamp_seconds')})) - time()",
                "{{bot}} ({{platform}})",
            ),
            nothing="No token is known",
            unit="s",
            thresholds=steps((None, RED), (3600, GREEN)),
        ),
    )


FLEET: Final = Dashboard(
    uid="bot-exporter-fleet",
    title="Bots: fleet overview",
    about="Is anything wrong with the fleet, where, and since when? Begin here.",
    choices=choices(platform=True, bot=True),
    marks=marks(),
    rows=(
        Row("Is anything wrong now?", (*_now(), alerts())),
        Row("Which bots?", _bots()),
        Row("What of the connections?", _connections()),
    ),
)
