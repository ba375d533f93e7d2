"""One trouble for every alerting rule: what Prometheus sees, and what must be told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from exporter.model.states import BotStatus
from tests.contract.alerts.world import (
    ALTTPR,
    FLEET,
    JOB,
    LOBBY_1,
    LOBBY_2,
    OOTR,
    TARGET,
    Bot,
    Series,
    always,
    at,
    during,
    elsewhere,
    fleet,
    gone,
    name,
    world,
)

# The minute in which every trouble begins.
BEGIN: Final = 3

_DATE: Final = "1970-01-01 01:40:00 +0000 UTC"


Rest = Callable[[Bot], Bot]


def in_maintenance(bot: Bot) -> Bot:
    return replace(bot, maintenance=True)


def switched_off(bot: Bot) -> Bot:
    return replace(bot, active=False)


AT_REST: Final[tuple[Rest, ...]] = (in_maintenance, switched_off)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong from BEGIN on, and the alert that tells it.

    `rise` and `fall` are the minutes from the beginning until the rule sees it, and from the end until it no longer
    does. `beside` are the names of other alerts that fire if it lasts, `twins` those of the same name:
    rule, labels and text. What a bot's state does not say is `bad`, or depends on the end of the trouble: `counted`.
    """

    id: str
    labels: Mapping[str, str]
    text: str
    bad: Series = field(default_factory=dict)
    bots: tuple[Bot, ...] = FLEET
    rise: int = 0
    fall: int = 0
    beside: frozenset[str] = frozenset()
    twins: tuple[tuple[str, Mapping[str, str], str], ...] = ()
    about_bots: bool = True
    told_when_absent: bool = False
    counted: Callable[[int], Series] | None = None

    def __str__(self) -> str:
        return self.id

    def until(self, end: int, *, rest: Rest = lambda bot: bot) -> dict[str, Callable[[int], float | None]]:
        """Return what Prometheus sees when the trouble ends in that minute; `rest` changes the bots all the time."""
        resting = {
            series: value
            for bot in map(rest, FLEET)
            for series, value in bot.series().items()
            if series.startswith(("bot_active{", "bot_maintenance{"))
        }
        healthy = world(*FLEET)
        bad = {**dict.fromkeys(fleet(*FLEET), gone), **fleet(*self.bots), **self.bad}
        seen = during(BEGIN, end, bad, healthy)
        return {**seen, **(self.counted(end) if self.counted else {}), **resting}


def _failing(*bots: Bot, reason: str, status: BotStatus = BotStatus.CONNECTION_ERROR) -> tuple[Bot, ...]:
    """Return the fleet in which these bots fail."""
    bad = {bot.name: replace(bot, status=status, state="disconnected", reason=reason) for bot in bots}
    return tuple(bad.get(bot.name, bot) for bot in FLEET)


def _refused(bot: Bot, reason: str) -> tuple[Bot, ...]:
    return _failing(bot, reason=reason, status=BotStatus.AUTH_FAILED)


def _of(bot: Bot) -> dict[str, str]:
    return JOB | {"bot": bot.name, "platform": bot.platform}


def _refusal(bot: Bot, reason: str, remedy: str) -> dict[str, str]:
    return _of(bot) | {"reason": reason, "remedy": remedy}


def _lobby(state: str, age_s: float) -> Series:
    return {
        name("bot_lobby_state_since_timestamp_seconds", bot="lobby-1", platform="dota2", state=state): always(
            at(BEGIN) - age_s
        )
    }


def _race(status: str, age_s: float) -> Series:
    return {
        name("bot_race_oldest_state_since_timestamp_seconds", category="alttpr", status=status): always(
            at(BEGIN) - age_s
        )
    }


def _token(bot: Bot, left_s: float) -> Series:
    own = {"bot": bot.name, "platform": bot.platform}
    return {name("bot_token_expiry_timestamp_seconds", **own): always(at(BEGIN) + left_s)}


def _steps(minute: int, end: int) -> int:
    """Return how many minutes of the trouble are over."""
    return max(0, min(minute, end) - BEGIN)


def _reconnecting(end: int) -> Series:
    return {name("bot_reconnects_total", bot="lobby-1", platform="dota2"): lambda minute: 1 + _steps(minute, end)}


def _counting(metric: str) -> Callable[[int], Series]:
    return lambda end: {name(metric): lambda minute: float(_steps(minute, end))}


def _late(end: int) -> Series:
    """Every tick of the trouble is between 0.25 s and 1 s late."""
    return {
        name("bot_exporter_event_loop_lag_seconds_bucket", le=bound): lambda minute: (
            120.0 * (minute - _steps(minute, end))
        )
        for bound in ("0.005", "0.25")
    }


_NEWS: Final = "It tries again by itself; see what it says at http://127.0.0.1:9977/status/bots/"


def _platform_down(platform: str, reasons: str) -> tuple[str, Mapping[str, str], str]:
    text = (
        f"No {platform} bot works. Present reasons: {reasons}; If it is the network (dns, refused, timeout, tls, "
        "http_5xx, service_unavailable) or gc_down, look at your own network and the service's status page, then wait: "
        "the bots come back by themselves. If it is a refusal (invalid_credentials and its like), fix the password or "
        "secret."
    )
    return "BotAllDown-platform", JOB | {"platform": platform}, text


TROUBLES: Final = (
    Trouble(
        "BotAllDown-fleet",
        JOB,
        "No bot of any platform works. Present reasons: 2 dota2 timeout; 1 racetime dns; Services of different owners "
        "seldom fail together: look at the exporter's network and DNS first.",
        bots=(
            replace(ALTTPR, status=BotStatus.UNKNOWN),
            replace(OOTR, status=BotStatus.CONNECTION_ERROR, reason="dns"),
            replace(LOBBY_1, status=BotStatus.CONNECTION_ERROR, reason="timeout"),
            replace(LOBBY_2, status=BotStatus.CONNECTION_ERROR, reason="timeout"),
        ),
        beside=frozenset({"BotDown", "BotNoneAvailable"}),
        twins=(_platform_down("dota2", "2 timeout"), _platform_down("racetime", "1 dns")),
    ),
    Trouble(
        *_platform_down("racetime", "2 invalid_credentials"),
        bots=_failing(ALTTPR, OOTR, reason="invalid_credentials", status=BotStatus.AUTH_FAILED),
        beside=frozenset({"BotAuthFailed"}),
    ),
    Trouble(
        "BotAllDown-empty",
        JOB,
        "The exporter answers but has no bot at all. Look whether its configuration still lists bots: a pattern in "
        "bots_files that matches nothing is no error. In a cluster no bot runs without the database: look at "
        "bot_exporter_storage_up.",
        bad={series: gone for series in world() if series.startswith("bot_") and 'bot="' in series},
        bots=(),
        about_bots=False,
        told_when_absent=True,
    ),
    Trouble(
        "BotServiceOutage-racetime",
        JOB,
        "racetime.gg, or the way from 127.0.0.1:9977 to it, seems to be out. Wait: the bots come back by themselves "
        "within 5 minutes of the service. If racetime.gg works in your browser, look at this machine's network and "
        "DNS.",
        bad={name("bot_racetime_outage"): always(1)},
        bots=_failing(OOTR, reason="http_5xx"),
        about_bots=False,
    ),
    Trouble(
        "BotServiceOutage-dota2",
        JOB,
        "Steam, or the way from 127.0.0.1:9977 to it, seems to be out. Wait: the bots come back by themselves, one "
        "logon after the other. If Steam works elsewhere, look at this machine's network and DNS.",
        bad={name("bot_steam_outage"): always(1)},
        bots=_failing(LOBBY_2, reason="timeout"),
        about_bots=False,
    ),
    Trouble(
        "BotGameCoordinatorDown",
        JOB | {"platform": "dota2"},
        "100% of the Dota 2 bots are on Steam but have no session with Dota 2's game coordinator, so no lobby can be "
        "made. Wait: it is Valve's side, and the bots come back by themselves.",
        bots=_failing(LOBBY_1, LOBBY_2, reason="gc_down"),
        beside=frozenset({"BotAllDown", "BotDown", "BotNoneAvailable"}),
    ),
    Trouble(
        "BotSteamRateLimited-dota2",
        JOB,
        f"All logons of 127.0.0.1:9977 pause until {_DATE}. Wait, and do not restart the exporter: more attempts "
        "lengthen the limit. Bots that are online stay so.",
        bad={name("bot_steam_logon_cooldown_until_timestamp_seconds"): always(at(100))},
        bots=_refused(LOBBY_1, "rate_limited"),
        about_bots=False,
    ),
    Trouble(
        "BotNoneAvailable",
        JOB | {"platform": "dota2"},
        "1 Dota 2 bots are in a lobby or game; the others are not ready. If all are busy, wait or add bots; otherwise "
        "see why they are not connected to the game coordinator.",
        bots=(
            ALTTPR,
            OOTR,
            replace(LOBBY_1, state="in_game", available=False),
            replace(LOBBY_2, state="steam_online", available=False),
        ),
    ),
    Trouble(
        "BotDown-racetime",
        _of(OOTR),
        f"ootr does not work, although others do. Reason: http_5xx. {_NEWS}ootr",
        bots=_failing(OOTR, reason="http_5xx"),
    ),
    Trouble(
        "BotDown-dota2",
        _of(LOBBY_2),
        "lobby-2 does not work, although others do. Reason: none yet, nothing was proved since it started. "
        f"{_NEWS}lobby-2",
        bots=_failing(LOBBY_2, reason="", status=BotStatus.UNKNOWN),
    ),
    Trouble(
        "BotAuthFailed-credentials",
        _refusal(OOTR, "invalid_credentials", "credentials"),
        "ootr: racetime.gg refuses the client id and secret. Fix the client secret: copy it anew from the category's "
        "manage/bots page into the bot's client_secret_file. The bot sees the changed file and tries at once.",
        bots=_refused(OOTR, "invalid_credentials"),
    ),
    Trouble(
        "BotAuthFailed-credentials",
        _refusal(LOBBY_1, "invalid_credentials", "credentials"),
        "lobby-1: Steam refuses the user name and password. Fix the password in the bot's password_file. The bot sees "
        "the changed file and tries at once.",
        bots=_refused(LOBBY_1, "invalid_credentials"),
    ),
    Trouble(
        "BotAuthFailed-guard_code",
        _refusal(LOBBY_1, "guard_code_required", "guard_code"),
        "lobby-1: Steam wants a Steam Guard code. Confirm the logon in the Steam app, or give the bot the right "
        "shared_secret_file.",
        bots=_refused(LOBBY_1, "guard_code_required"),
    ),
    Trouble(
        "BotAuthFailed-guard_code",
        _refusal(LOBBY_1, "guard_code_mismatch", "guard_code"),
        "lobby-1: Steam wants a Steam Guard code, and the last one was wrong. Confirm the logon in the Steam app, or "
        "give the bot the right shared_secret_file.",
        bots=_refused(LOBBY_1, "guard_code_mismatch"),
    ),
    Trouble(
        "BotAuthFailed-token",
        _refusal(LOBBY_1, "token_revoked", "token"),
        "lobby-1: its token is revoked, and a new one was not given. See why in its message, and check the password "
        "that new tokens are asked for with.",
        bots=_refused(LOBBY_1, "token_revoked"),
    ),
    Trouble(
        "BotAuthFailed-account",
        _refusal(LOBBY_1, "account_disabled", "account"),
        "lobby-1: the account is disabled, locked or banned. Log on to it by hand and see what the service says; until "
        "then switch the bot off with active: false, or give it another account.",
        bots=_refused(LOBBY_1, "account_disabled"),
    ),
    Trouble(
        "BotAuthFailed-category",
        _refusal(OOTR, "wrong_category", "category"),
        "ootr: its credentials are good, but not for this category. Fix category or client_id of the bot in the "
        "configuration: each category has a bot of its own.",
        bots=_refused(OOTR, "wrong_category"),
    ),
    Trouble(
        "BotAuthFailed-other",
        _refusal(LOBBY_1, "other", "other"),
        "lobby-1: refused for a reason that has no word of its own. Its message says which: "
        "http://127.0.0.1:9977/status/bots/lobby-1",
        bots=_refused(LOBBY_1, "other"),
    ),
    Trouble(
        "BotFlapping",
        _of(LOBBY_1),
        "lobby-1 came back 20 times within an hour. See which reason of bot_disconnects_total grows: kicked or "
        "session_replaced means that the account is used elsewhere too, so stop the other user; anything else is the "
        "network or the service, so wait.",
        counted=_reconnecting,
        rise=5,
        fall=55,
    ),
    Trouble(
        "BotStatusStale",
        _of(LOBBY_1),
        "lobby-1 was last proved to work 21m 0s ago. Compare the clocks of Prometheus and of 127.0.0.1:9977 first; if "
        "they agree this is a bug: save the log, then restart the bot.",
        bad={name("bot_last_status_check_timestamp_seconds", bot="lobby-1", platform="dota2"): always(at(BEGIN + 1))},
        rise=7,
    ),
    Trouble(
        "BotTokenExpiringSoon-dota2",
        _of(LOBBY_1),
        "The Steam token of lobby-1 ends in 6d 23h 35m 0s; it should have been renewed weeks ago. Check that the bot's "
        "password is right and that somebody can confirm a logon before then.",
        bad=_token(LOBBY_1, 7 * 86400 - 600),
    ),
    Trouble(
        "BotTokenExpiringSoon-racetime",
        _of(ALTTPR),
        "The racetime.gg token of alttpr ends in 35m 0s; it should have been renewed hours ago. Check the client "
        "secret: it may have been changed on the category's manage/bots page.",
        bad=_token(ALTTPR, 3000),
    ),
    Trouble(
        "BotLobbyStuck-creating",
        _of(LOBBY_1) | {"state": "creating"},
        "lobby-1 has been creating a lobby for 18m 0s; it takes seconds. If only this bot is affected restart the "
        "bot, not the exporter; if all are, the coordinator is in trouble: wait.",
        bad=_lobby("creating", 0),
        rise=3,
    ),
    Trouble(
        "BotLobbyStuck",
        _of(LOBBY_1) | {"state": "waiting"},
        "The lobby of lobby-1 has been waiting for 2h 16m 0s: players are missing, or nobody starts the game. Ask "
        "whoever ordered it; the bot is not free until the lobby ends.",
        bad=_lobby("waiting", 2 * 3600),
        rise=1,
    ),
    Trouble(
        "BotLobbyStuck-in_game",
        _of(LOBBY_1) | {"state": "in_game"},
        "lobby-1 has been in one game for 4h 16m 0s. If the match is over, the bot missed its end: restart the bot, "
        "not the exporter.",
        bad=_lobby("in_game", 4 * 3600),
        rise=1,
    ),
    *(
        Trouble(
            "BotRaceStuck-racetime",
            JOB | {"category": "alttpr", "status": status},
            f"A race of alttpr has been {status} for {told}. Open its room on the site: if it looks the same there, "
            "tell the category's moderators; if not, the bot missed it.",
            bad=_race(status, age_s),
            rise=1,
        )
        for status, age_s, told in (
            ("open", 5 * 3600, "5h 16m 0s"),
            ("invitational", 5 * 3600, "5h 16m 0s"),
            ("pending", 600, "26m 0s"),
            ("in_progress", 26 * 3600, "1d 2h 16m 0s"),
            ("unknown", 3600, "1h 16m 0s"),
        )
    ),
    Trouble(
        "BotExporterDown",
        TARGET,
        "Prometheus gets no metrics from 127.0.0.1:9977. No bot runs if the process is gone: look whether it runs, "
        "read its last log lines, and start it again.",
        bad={**dict.fromkeys(world(*FLEET), gone), name("up"): always(0)},
        bots=(),
        about_bots=False,
    ),
    Trouble(
        "BotExporterDown-one_of_several",
        TARGET,
        "Prometheus gets no metrics from 127.0.0.1:9977, one of several. The others take over its bots within 30 "
        "seconds if it is gone: look whether it runs, read its last log lines, and start it again.",
        bad={
            **dict.fromkeys(world(*FLEET), gone),
            name("up"): always(0),
            **elsewhere(world(*FLEET), "10.0.0.2:9977"),
            name("bot_exporter_cluster_instances", instance="10.0.0.2:9977"): always(1),
        },
        bots=(),
        about_bots=False,
    ),
    Trouble(
        "BotExporterLost",
        JOB,
        "6 bots were taken over within half an hour from a process that did not end in order. 2 are alive now. See "
        "which one is missing, whether it died, was paused or lost the database, and start it again.",
        bad={name("bot_exporter_cluster_instances"): always(2)},
        counted=_counting("bot_exporter_cluster_takeovers_total"),
        rise=1,
        fall=30,
        about_bots=False,
    ),
    Trouble(
        "BotUnowned",
        JOB,
        "3 bots belong to no process, although a takeover takes 30 seconds. See whether the processes that their "
        "runs_on names are there, whether all processes have the same configuration, and whether the database answers.",
        bad={name("bot_exporter_cluster_bots_unowned"): always(3)},
        about_bots=False,
    ),
    Trouble(
        "BotExporterAbsent",
        {"job": "bot-exporter"},
        "There is no target in the job bot-exporter, so nothing about the bots is known and no other alert can fire. "
        "Look at the targets page of Prometheus and put the job back into its configuration.",
        bad=dict.fromkeys(world(*FLEET), gone),
        bots=(),
        about_bots=False,
        told_when_absent=True,
    ),
    Trouble(
        "BotExporterConfigReloadFailed-fleet",
        TARGET,
        "The exporter at 127.0.0.1:9977 goes on with the old configuration; a restart would not come up. Fix the file: "
        "bot-exporter --config.check --config.file=config.yaml names every mistake with its line.",
        bad={name("bot_exporter_config_last_reload_successful"): always(0)},
        about_bots=False,
    ),
    Trouble(
        "BotExporterConfigReloadFailed-web",
        TARGET,
        "The exporter at 127.0.0.1:9977 goes on with the old web configuration: certificates and users are not "
        "renewed. Its log names the mistake; promtool check web-config finds most of them.",
        bad={name("bot_exporter_web_config_reload_successful"): always(0)},
        about_bots=False,
    ),
    Trouble(
        "BotExporterLoopStalled",
        TARGET,
        "One tick in twenty is more than 962.5ms late. Heartbeats may be missed, and bots drop off. See whether the "
        "machine is short of CPU; if not, something blocks the loop: keep the log for a report.",
        counted=_late,
        rise=1,
        fall=5,
        about_bots=False,
    ),
    *(
        Trouble(
            "BotExporterHistoryDropping",
            TARGET,
            "The exporter at 127.0.0.1:9977 cannot write its history. The bots go on; changes wait, and the oldest are "
            "lost when too many do. Make room on the disk of the data directory, or bring the database back.",
            about_bots=False,
            counted=counted,
            bad=bad,
            rise=rise,
            fall=fall,
        )
        for counted, bad, rise, fall in (
            (_counting("bot_exporter_history_dropped_total"), {}, 1, 15),
            (None, {name("bot_exporter_storage_up"): always(0)}, 0, 0),
        )
    ),
)
