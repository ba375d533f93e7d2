"""Every alerting rule: silent, at the edge of its `for`, firing with the right words, resolved, and without series."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.runner import RetryPolicy
from tests.contract.alerts.promtool import firing_at, judge, scene
from tests.contract.alerts.shipped import Alert, alerts
from tests.contract.alerts.troubles import AT_REST, BEGIN, TROUBLES, Rest, Trouble
from tests.contract.alerts.world import FLEET, JOB, Series, Value, always, at, gone, name, world

RULES = {alert.id: alert for alert in alerts()}


def names_at(minute: int, *expected: str) -> dict[str, Any]:
    """Return the check that alerts of exactly these names fire at that minute."""
    samples = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted(expected)]
    query = 'group by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'
    return {"expr": query, "eval_time": f"{minute}m", "exp_samples": samples}


def this_at(minute: int, rule: Alert, *labels: dict[str, str]) -> dict[str, Any]:
    """Return the check that the rule has exactly these alerts firing at that minute."""
    matchers = {"alertstate": "firing", "alertname": rule.name, **rule.labels}
    expr = "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in matchers.items()) + "}"
    return firing_at(minute, [{"alertname": rule.name, **each} for each in labels]) | {"expr": expr}


def metrics_of(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:bot|process|python)_[a-z0-9_]+|\bup\b", expr))


each_trouble = pytest.mark.parametrize("trouble", TROUBLES, ids=str)


def test_every_rule_has_its_trouble() -> None:
    assert {trouble.id for trouble in TROUBLES} == set(RULES) - {"Watchdog"}


def test_a_fleet_that_is_well_is_silent(tmp_path: Path) -> None:
    queries = [names_at(minute) for minute in range(0, 41, 5)]
    watchdog = {
        "expr": "ALERTS",
        "eval_time": "0m",
        "exp_samples": [{"labels": 'ALERTS{alertname="Watchdog",alertstate="firing",severity="info"}', "value": 1}],
    }
    judge([scene("all is well", world(*FLEET), 40, queries=[*queries, watchdog])], tmp_path, every="5m")


def test_a_trouble_is_told_by_its_own_alerts_alone(tmp_path: Path) -> None:
    """All rules together, on every trouble; and on a whole fleet at rest, which never pages."""
    scenes = [
        scene(
            str(trouble),
            trouble.until(45),
            40,
            queries=[names_at(0), names_at(40, RULES[trouble.id].name, *trouble.beside)],
        )
        for trouble in TROUBLES
    ]
    scenes += [
        scene(
            f"{trouble}: {rest}",
            trouble.until(45, rest=rest),
            40,
            queries=[names_at(40)],
        )
        for trouble in TROUBLES
        if trouble.beside
        for rest in AT_REST
    ]
    judge(scenes, tmp_path, every="5m")


@each_trouble
def test_an_alert_fires_after_its_time_says_what_to_do_and_resolves(trouble: Trouble, tmp_path: Path) -> None:
    rule = RULES[trouble.id]
    fires = BEGIN + trouble.rise + rule.for_minutes
    end = fires + 3
    labels = {**rule.labels, **trouble.labels}
    over = end + trouble.fall + rule.keep_minutes
    queries = [
        this_at(BEGIN - 1, rule),
        this_at(fires - 1, rule),
        this_at(fires, rule, labels),
        this_at(over - 1, rule, labels),
        this_at(over, rule),
    ]
    told = [(trouble.id, trouble.labels, trouble.text), *trouble.twins]
    text = {
        "alertname": rule.name,
        "eval_time": f"{fires}m",
        "exp_alerts": [
            {
                "exp_labels": {**RULES[each].labels, **own},
                "exp_annotations": {**RULES[each].annotations, "description": words},
            }
            for each, own, words in told
        ],
    }
    found = scene("fires and resolves", trouble.until(end), over + 1, queries=queries, texts=[text])
    judge([found], tmp_path, only=rule.name)


@pytest.mark.parametrize("trouble", [each for each in TROUBLES if RULES[each.id].keep_minutes], ids=str)
def test_scrapes_that_fail_are_no_end(trouble: Trouble, tmp_path: Path) -> None:
    """Two in a row, with the series of the process stale for as long."""
    rule = RULES[trouble.id]
    fires = BEGIN + trouble.rise + rule.for_minutes
    failed, end = range(fires + 2, fires + 4), fires + 7

    def scraped(value: Value) -> Value:
        return lambda minute: None if minute in failed else value(minute)

    seen = {series: scraped(value) for series, value in trouble.until(end + 1).items()}
    seen[name("up")] = lambda minute: float(minute not in failed)
    queries = [this_at(minute, rule, {**rule.labels, **trouble.labels}) for minute in range(fires, end + 1)]
    judge([scene("scrapes fail", seen, end, queries=queries)], tmp_path, only=rule.name)


@each_trouble
def test_what_is_not_told(trouble: Trouble, tmp_path: Path) -> None:
    """A trouble that ends in time, one whose series are gone, and that of bots at rest."""
    rule = RULES[trouble.id]
    scenes = []
    if trouble.fall < rule.for_minutes:  # otherwise it is seen for so long afterwards that it is told in any case
        scenes.append(_too_short(trouble, rule))
    if not trouble.told_when_absent:
        scenes.append(_absent(trouble, rule))
    if trouble.about_bots:
        scenes += [_at_rest(trouble, rule, rest) for rest in AT_REST]
    judge(scenes, tmp_path, only=rule.name)


def _too_short(trouble: Trouble, rule: Alert) -> dict[str, Any]:
    end = BEGIN + trouble.rise + rule.for_minutes - trouble.fall
    minutes = end + trouble.fall + 5
    ever = f'max_over_time(ALERTS{{alertstate="firing",alertname="{rule.name}"}}[{minutes}m])'
    query = {"expr": ever, "eval_time": f"{minutes}m", "exp_samples": []}
    return scene("too short", trouble.until(end), minutes, queries=[query])


def _absent(trouble: Trouble, rule: Alert) -> dict[str, Any]:
    fires = BEGIN + trouble.rise + rule.for_minutes
    metrics = metrics_of(rule.expr)
    seen = {
        series: gone if series.partition("{")[0] in metrics else value
        for series, value in trouble.until(fires + 5).items()
    }
    return scene("absent", seen, fires + 4, queries=[names_at(fires), names_at(fires + 4)])


def _at_rest(trouble: Trouble, rule: Alert, rest: Rest) -> dict[str, Any]:
    fires = BEGIN + trouble.rise + rule.for_minutes
    seen = trouble.until(fires + 5, rest=rest)
    return scene(f"at rest: {rest}", seen, fires + 4, queries=[names_at(fires), names_at(fires + 4)])


def _by(rule_id: str) -> Trouble:
    return next(trouble for trouble in TROUBLES if trouble.id == rule_id)


@pytest.mark.parametrize(
    ("rule_id", "excuse"),
    [
        ("BotNoneAvailable", {name("bot_exporter_draining"): always(1)}),
        ("BotDown-racetime", {name("bot_racetime_outage"): always(1)}),
        ("BotDown-dota2", {name("bot_steam_outage"): always(1)}),
        ("BotDown-dota2", {name("bot_steam_logon_queue_length"): always(3)}),
        ("BotDown-dota2", {name("bot_steam_logon_cooldown_until_timestamp_seconds"): always(at(90))}),
        ("BotTokenExpiringSoon-racetime", {name("bot_up", bot="alttpr", platform="racetime"): always(0)}),
        ("BotStatusStale", {name("bot_up", bot="lobby-1", platform="dota2"): always(0)}),
    ],
)
def test_an_excuse_is_taken(rule_id: str, excuse: Series, tmp_path: Path) -> None:
    """What explains a trouble keeps its alert silent, because another alert or nobody has to know."""
    trouble, rule = _by(rule_id), RULES[rule_id]
    excused = replace(trouble, bad={**trouble.bad, **excuse})
    minute = BEGIN + trouble.rise + rule.for_minutes + 5
    judge(
        [
            scene(
                "without",
                trouble.until(minute + 5),
                minute,
                queries=[this_at(minute, rule, {**rule.labels, **trouble.labels})],
            ),
            scene("excused", excused.until(minute + 5), minute, queries=[this_at(minute, rule)]),
        ],
        tmp_path,
        only=rule.name,
    )


def test_a_bot_that_steam_limited_and_nothing_holds_back_is_told(tmp_path: Path) -> None:
    """Refused by a limit that is over: no other alert would tell it."""
    limited = _by("BotSteamRateLimited-dota2")
    seen = replace(limited, bad={}).until(60)
    rule = RULES["BotDown-dota2"]
    told = this_at(40, rule, {**rule.labels, **JOB, "bot": "lobby-1"})
    judge([scene("after the limit", seen, 40, queries=[told, names_at(40, "BotDown")])], tmp_path)


def test_a_backoff_is_not_told() -> None:
    """Alerts about bots wait for longer than the longest pause between two attempts."""
    policy = RetryPolicy()
    for rule in RULES.values():
        if rule.name in {trouble.id.partition("-")[0] for trouble in TROUBLES if trouble.about_bots}:
            assert rule.for_minutes * 60 >= policy.most_s, rule.id
        if rule.id == "BotAuthFailed-credentials":
            assert rule.for_minutes * 60 > policy.auth_s * 1.2
