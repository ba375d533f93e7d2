"""What several dashboards have alike: variables, marks, links, and the columns of tables."""

from collections.abc import Mapping
from typing import Any, Final

from dashboards.source.grafana import Choice, Column, Json, Mark, Panel, link, steps, table
from dashboards.source.queries import Selector
from dashboards.source.words import BLUE, GREEN, GREY, ORANGE, RED, status_mapping

BOT_UID: Final = "bot-exporter-bot"

_EXPORTERS: Final = (
    Choice("job", "bot_exporter_build_info"),
    Choice("instance", 'bot_exporter_build_info{job=~"$job"}'),
)
_PLATFORM: Final = Choice("platform", 'bot_info{job=~"$job", instance=~"$instance"}')
_BOTS: Final = 'bot_info{job=~"$job", instance=~"$instance", platform=~"$platform"}'


def choices(*, platform: bool = False, bot: bool = False, one_bot: bool = False) -> tuple[Choice, ...]:
    """Return the variables of a dashboard; job and instance are everywhere."""
    return (
        *_EXPORTERS,
        *([_PLATFORM] if platform else []),
        *([Choice("bot", _BOTS)] if bot else []),
        *([Choice("bot", _BOTS, several=False)] if one_bot else []),
    )


CATEGORY: Final = Choice("category", 'bot_races{job=~"$job", instance=~"$instance"}')


def marks() -> tuple[Mark, ...]:
    """Return what is drawn into every graph. A reload within ten seconds of the start is the start's own reading."""
    select = Selector()
    started = f"{select('process_start_time_seconds')} and on (job, instance) {select('bot_exporter_build_info')}"
    read = select("bot_exporter_config_last_reload_success_timestamp_seconds")
    return (
        Mark("Exporter started", f"1000 * ({started})", "{{instance}}: all bots connect anew", ORANGE),
        Mark(
            "Configuration reloaded",
            f"1000 * ({read} > on (job, instance) ({started}) + 10)",
            "{{instance}}",
            BLUE,
        ),
        Mark(
            "Configuration refused",
            # Grafana draws what is greater than 0.
            f"1 - {select('bot_exporter_config_last_reload_successful')} > 0",
            "{{instance}}: the log names each mistake",
            RED,
            timed=False,
        ),
    )


def _detail(bot: str, job: str) -> Json:
    """Return the link to a bot's own dashboard, with its life in every process that has run it."""
    here = f"var-datasource=${{datasource}}&var-job={job}&var-instance=$__all&var-bot={bot}&${{__url_time_range}}"
    return link("Bot detail", f"/d/{BOT_UID}?{here}")


def _exporter(bot: str, instance: str) -> list[Json]:
    return [
        link("What the exporter says of it", f"http://{instance}/status/bots/{bot}", new_tab=True),
        link("Its history", f"http://{instance}/status/bots/{bot}/history", new_tab=True),
        link("Status page", f"http://{instance}/", new_tab=True),
    ]


OF_A_ROW: Final = [
    _detail("${__data.fields.bot}", "${__data.fields.job}"),
    *_exporter("${__data.fields.bot}", "${__data.fields.instance}"),
]
OF_A_SERIES: Final = [_detail("${__field.labels.bot}", "${__field.labels.job}")]
OF_A_PLACE: Final = _exporter("${__field.labels.bot}", "${__field.labels.instance}")

BOT_COLUMNS: Final[dict[str, Mapping[str, Any]]] = {
    "bot": {"links": OF_A_ROW},
    "platform": {},
    "instance": {},
}

AGE: Final = {"unit": "s", "decimals": 0}
FLAG: Final = {"type": "color-background", "mode": "basic"}


def status_column(query: str) -> Column:
    """Return the verdicts as words on their colours."""
    return Column("status", query, {"mappings": status_mapping(), "custom__cellOptions": FLAG})


def alerts() -> Panel:
    """Return the table of the alerts that fire; those without an instance are about all of them."""
    select = 'alertname=~"Bot.+", job=~"$job|", instance=~"$instance|"'
    by = "alertname, severity, alertstate, platform, bot, category, reason, instance"
    runbook = [link("What to do: the runbook", "${runbooks}/${__data.fields.alertname}.md", new_tab=True)]
    severities = {"critical": RED, "warning": ORANGE, "info": BLUE}
    colors = [
        {
            "type": "value",
            "options": {
                word: {"text": word, "color": color, "index": index}
                for index, (word, color) in enumerate(severities.items())
            },
        }
    ]
    return table(
        "Which alerts fire or are about to, and what is to be done?",
        "The alerts of alerts/alerting-rules.yml, if Prometheus has loaded them. A pending one fires if it lasts. "
        "The name leads to the runbook. Alerts about an exporter that is gone show too.",
        Column("", f"sum by ({by}) (ALERTS{{{select}}})", {}),
        nothing="No alert fires. (Or the rules of alerts/ are not loaded: see the Rules page of Prometheus.)",
        labels={
            "alertname": {"links": runbook},
            "severity": {"mappings": colors, "custom__cellOptions": FLAG},
            "alertstate": {},
            "bot": {},
            "platform": {},
            "category": {},
            "reason": {},
            "instance": {},
        },
        sort="alertstate",
        height=7,
    )


GOOD_IF_NONE: Final = steps((None, GREEN), (1, RED))
NOTABLE_IF_ANY: Final = steps((None, GREEN), (1, ORANGE))
PLAIN: Final = steps((None, GREY))
