"""Exporter health: can one believe the other dashboards, and does the process have what it needs?"""

from typing import Final

from dashboards.source.common import GOOD_IF_NONE, choices, marks
from dashboards.source.grafana import Column, Dashboard, Panel, Query, Row, colored, graph, stat, steps, table
from dashboards.source.grafana import timeline as band
from dashboards.source.queries import Selector, counted, quantile
from dashboards.source.words import GREEN, ORANGE, RED, YELLOW, values, yes_no

s: Final = Selector()
NOT_SCRAPED: Final = "The exporter was not scraped"
ONLY_OURS: Final = f"and on (job, instance) {s('bot_exporter_build_info')}"
EVER_OURS: Final = f"and on (job, instance) count_over_time({s('bot_exporter_build_info')}[$__range])"


def _now() -> tuple[Panel, ...]:
    return (
        stat(
            "Can it be scraped?",
            "Whether Prometheus' last scrape worked. If not: docs/runbooks/BotExporterDown.md.",
            Query(f"{s('up')} {EVER_OURS}", "{{instance}}"),
            nothing="No exporter in the time shown: is the job in Prometheus' configuration?",
            mappings=yes_no(("yes", GREEN), ("no", RED)),
        ),
        stat(
            "How long has it been running?",
            "The time since its start.",
            Query(f"time() - ({s('process_start_time_seconds')} {ONLY_OURS})", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="s",
            thresholds=steps((None, ORANGE), (300, GREEN)),
        ),
        stat(
            "Is the configuration on disk the one that runs?",
            "Whether the last reading succeeded. If not, the old one runs, and a restart would not come up.",
            Query(s("bot_exporter_config_last_reload_successful"), "{{instance}}"),
            nothing=NOT_SCRAPED,
            mappings=yes_no(("yes", GREEN), ("refused", RED)),
        ),
        stat(
            "Is the web configuration file in effect?",
            "Whether the last reading of certificates, users and headers succeeded.",
            Query(s("bot_exporter_web_config_reload_successful"), "{{instance}}"),
            nothing="There is no such file",
            mappings=yes_no(("yes", GREEN), ("refused", RED)),
        ),
        stat(
            "Does the database take what is written?",
            "Whether the last attempt to write succeeded. If not, changes wait, and the bots go on.",
            Query(s("bot_exporter_storage_up"), "{{instance}}"),
            nothing=NOT_SCRAPED,
            mappings=yes_no(("yes", GREEN), ("no", RED)),
        ),
        stat(
            "Does it drain?",
            "While it does, it is not ready, and bots take no new lobbies and races.",
            Query(s("bot_exporter_draining"), "{{instance}}"),
            nothing=NOT_SCRAPED,
            mappings=yes_no(("drains", YELLOW), ("no", GREEN)),
        ),
        stat(
            "When was the configuration last read?",
            "The time since the last good reading.",
            Query(f"time() - {s('bot_exporter_config_last_reload_success_timestamp_seconds')}", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="s",
        ),
        stat(
            "Did anything happen that the model does not expect?",
            "Unexpected changes of state in the time shown: each is a bug, or news from a service. Keep the log.",
            Query(f"sum(increase({s('bot_exporter_unexpected_transitions_total')}[$__range]))"),
            nothing=NOT_SCRAPED,
            thresholds=steps((None, GREEN), (0.5, ORANGE)),
        ),
        stat(
            "Did a bot's own code fail?",
            "Failures in the time shown that are bugs, each with a traceback in the log.",
            Query(f"sum(increase({s('bot_crashes_total')}[$__range]))"),
            nothing="No bots",
            thresholds=steps((None, GREEN), (0.5, RED)),
        ),
        table(
            "Which versions run?",
            "The exporter's version and its Python.",
            Column("", f"max by (job, instance, version, python) ({s('bot_exporter_build_info')})", {}),
            nothing=NOT_SCRAPED,
            labels={"instance": {}, "version": {}, "python": {}},
            hidden=["job"],
            width=12,
            height=4,
        ),
    )


def _cluster() -> tuple[Panel, ...]:
    alone = "One process runs the fleet alone"
    return (
        stat(
            "How many processes are alive?",
            "As each of them sees it. Where they differ for longer than seconds, one is cut off from the database.",
            Query(s("bot_exporter_cluster_instances"), "{{instance}}"),
            nothing=alone,
        ),
        stat(
            "Does it renew its leases?",
            "Whether the database let it do so the last time. If not for 13 seconds, it stops its bots.",
            Query(s("bot_exporter_cluster_up"), "{{instance}}"),
            nothing=alone,
            mappings=yes_no(("yes", GREEN), ("no", RED)),
        ),
        stat(
            "How many bots does nobody run?",
            "Bots of the configuration without an owner, where the processes agree on it: for five minutes that is "
            "the alert BotUnowned. Bots that are switched off have an owner too.",
            Query(f"min by (job) ({s('bot_exporter_cluster_bots_unowned')})"),
            nothing=alone,
            thresholds=GOOD_IF_NONE,
        ),
        graph(
            "How many bots does each process have?",
            "They move, few at a time, until the numbers are even: runs_on and lobbies that run are respected.",
            Query(s("bot_exporter_cluster_bots_owned"), "{{instance}}"),
            nothing=alone,
            unit="none",
            stacked=True,
        ),
        graph(
            "Who lost bots, and who took them over?",
            "A takeover means that a process died, was paused or was cut off; lost are the bots that it had to stop. A "
            "process that ends in order hands its bots over, and shows in neither.",
            Query(f"{counted(s('bot_exporter_cluster_takeovers_total'), 'instance')} > 0", "taken by {{instance}}"),
            Query(f"{counted(s('bot_exporter_cluster_leases_lost_total'), 'instance')} > 0", "lost by {{instance}}"),
            nothing="No bot was lost in the time shown",
            unit="none",
            bars=True,
            width=24,
        ),
    )


def _process() -> tuple[Panel, ...]:
    lag = s("bot_exporter_event_loop_lag_seconds_bucket")
    return (
        graph(
            "Is the event loop on time?",
            "How late the loop's ticks come. All bots share it: above a quarter of a second for ten minutes is the "
            "alert BotExporterLoopStalled.",
            Query(quantile(0.5, lag, "instance"), "{{instance}}, half"),
            Query(quantile(0.95, lag, "instance"), "{{instance}}, 95 of 100"),
            Query(quantile(0.99, lag, "instance"), "{{instance}}, 99 of 100"),
            nothing=NOT_SCRAPED,
            unit="s",
            thresholds=steps((None, GREEN), (0.25, RED)),
        ),
        graph(
            "How much of a CPU does it use?",
            "One process uses at most one CPU and a little more for its threads: near 1 it is at its limit.",
            Query(f"rate({s('process_cpu_seconds_total')}[$__rate_interval]) {ONLY_OURS}", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="percentunit",
            thresholds=steps((None, GREEN), (0.8, ORANGE)),
        ),
        graph(
            "Does its memory grow?",
            "Memory that is really used. It goes with the number of bots and is flat after the first hour.",
            Query(f"{s('process_resident_memory_bytes')} {ONLY_OURS}", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="bytes",
        ),
        graph(
            "Does it run out of file descriptors?",
            "Open ones, as a share of what the system allows. Each bot, room and client has one.",
            Query(
                f"{s('process_open_fds')} / {s('process_max_fds')} {ONLY_OURS}",
                "{{instance}}",
            ),
            nothing=NOT_SCRAPED,
            unit="percentunit",
            top=1,
            thresholds=steps((None, GREEN), (0.8, RED)),
        ),
    )


def _history() -> tuple[Panel, ...]:
    return (
        graph(
            "Is the history written in time?",
            "Changes that wait to be written; above 20,000 the oldest are lost.",
            Query(s("bot_exporter_history_queue_length"), "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="none",
        ),
        graph(
            "Why do writes fail, and is anything lost?",
            "Failed attempts to write by reason, and changes that were lost. A write that failed and was made good "
            "lost nothing.",
            Query(counted(s("bot_exporter_history_write_failures_total"), "instance, reason"), "failed: {{reason}}"),
            Query(counted(s("bot_exporter_history_dropped_total"), "instance"), "lost"),
            nothing=NOT_SCRAPED,
            unit="none",
            bars=True,
            overrides=colored({"lost": RED}),
        ),
        band(
            "Was the database there, the configuration good, the process open for work?",
            "Red is trouble, yellow is an order to drain.",
            Query(s("bot_exporter_storage_up"), "{{instance}}: database"),
            Query(s("bot_exporter_config_last_reload_successful"), "{{instance}}: configuration"),
            Query(f"3 - {s('bot_exporter_draining')}", "{{instance}}: open for work"),
            nothing=NOT_SCRAPED,
            mappings=[values({1: ("good", GREEN), 0: ("bad", RED), 3: ("yes", GREEN), 2: ("drains", YELLOW)})],
            width=12,
            height=8,
        ),
        graph(
            "Are old rows deleted?",
            "Rows that the retention deleted. See storage.retention in the configuration.",
            Query(counted(s("bot_exporter_retention_deleted_total"), "instance"), "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="none",
            bars=True,
        ),
    )


def _http() -> tuple[Panel, ...]:
    requests = s("bot_exporter_http_requests_total")
    failed = s("bot_exporter_http_requests_total", code=("5..",))
    return (
        graph(
            "Who asks for what?",
            "HTTP requests a second, by route.",
            Query(f"sum by (route) (rate({requests}[$__rate_interval]))", "{{route}}"),
            nothing=NOT_SCRAPED,
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Who is refused, and what fails?",
            "Answers that were no success, by code: 401 and 403 are wrong keys, 409 and 422 wrong orders, 429 is "
            "too many; 502 and 504 are the services', 503 is an order that nobody could take, 500 is a bug.",
            Query(
                f"sum by (code, route) (rate({s('bot_exporter_http_requests_total', code=('4..', '5..'))}"
                "[$__rate_interval]))",
                "{{code}} {{route}}",
            ),
            nothing="Every request was answered well",
            unit="reqps",
            bars=True,
        ),
        graph(
            "How long do answers take?",
            "95 of 100 requests were answered in less, by route. Long orders take their time; of a stream the "
            "beginning counts.",
            Query(quantile(0.95, s("bot_exporter_http_request_duration_seconds_bucket"), "route"), "{{route}}"),
            nothing=NOT_SCRAPED,
            unit="s",
        ),
        graph(
            "Which share of the answers is a failure?",
            "Answers of 500 and more, of all answers; the panel above it says which.",
            Query(
                f"(sum by (instance) (rate({failed}[$__rate_interval])) or 0 * sum by (instance) "
                f"(rate({requests}[$__rate_interval])))\n"
                f"  / sum by (instance) (rate({requests}[$__rate_interval]))",
                "{{instance}}",
            ),
            nothing=NOT_SCRAPED,
            unit="percentunit",
            top=1,
            thresholds=steps((None, GREEN), (0.05, RED)),
        ),
        graph(
            "What was ordered, and what came of it?",
            "Orders that came to an end. in_doubt was not confirmed in time; who gave an order is in the history.",
            Query(f"{counted(s('bot_exporter_orders_total'), 'action, outcome')} > 0", "{{action}}: {{outcome}}"),
            nothing="Nothing was ordered in the time shown",
            unit="none",
            bars=True,
        ),
        graph(
            "Who follows the live feed?",
            "Streams that are open, by protocol.",
            Query(f"sum by (protocol) ({s('bot_exporter_stream_clients')})", "{{protocol}}"),
            nothing=NOT_SCRAPED,
            unit="none",
        ),
        graph(
            "Whom did the live feed drop?",
            "Streams that the exporter ended: slow clients did not read for 10 s, revoked ones may read no longer.",
            Query(counted(s("bot_exporter_stream_clients_dropped_total"), "reason"), "{{reason}}"),
            nothing=NOT_SCRAPED,
            unit="none",
            bars=True,
        ),
        graph(
            "Whom did the web server cut off?",
            "Connections whose clients did not read their answers: slow ones took too long, and of a crowd that makes"
            " the exporter keep too much the first has to go.",
            Query(counted(s("bot_exporter_http_connections_cut_off_total"), "reason"), "{{reason}}"),
            nothing=NOT_SCRAPED,
            unit="none",
            bars=True,
        ),
        graph(
            "How does the scrape itself go?",
            "How long Prometheus needs for a scrape. It must stay far below the scrape interval.",
            Query(f"{s('scrape_duration_seconds')} {ONLY_OURS}", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="s",
        ),
        graph(
            "How many series does it make?",
            "Samples of each scrape; it grows with the number of bots, not with what happens to them.",
            Query(f"{s('scrape_samples_scraped')} {ONLY_OURS}", "{{instance}}"),
            nothing=NOT_SCRAPED,
            unit="none",
        ),
    )


HEALTH: Final = Dashboard(
    uid="bot-exporter-health",
    title="Bots: exporter health",
    about="Can one believe the other dashboards, and does the exporter have what it needs?",
    choices=choices(),
    marks=marks(),
    rows=(
        Row("Is the exporter well?", _now()),
        Row("Is the cluster whole?", _cluster()),
        Row("Does the process have what it needs?", _process()),
        Row("Is the history safe?", _history()),
        Row("Who asks, and how are they answered?", _http()),
    ),
)
