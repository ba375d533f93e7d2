"""From a bot's trouble to what a person reads, with the shipped rules and the shipped Alertmanager configuration."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.alertmanager import alertmanager
from tests.e2e.inboxes import inboxes
from tests.e2e.paging import Chain, alertmanager_config, chain, quick
from tests.e2e.site import CATEGORIES
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="line")
async def _line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    """One pair of servers for all tests."""
    async with chain(tmp_path_factory.mktemp("paging")) as running:
        yield running


async def test_all_bots_killed_is_one_page(line: Chain) -> None:
    await line.calm()
    fresh = line.renew_secrets(CATEGORIES)
    await line.until(lambda: line.pages)
    await line.inhibited("BotAuthFailed", len(CATEGORIES))
    await line.barrier()
    (page,) = line.pages
    assert page["payload"]["summary"] == "CRITICAL: All bots that should work are down. racetime"
    assert page["payload"]["severity"] == "critical"
    assert page["routing_key"] == "the-routing-key"
    assert page["links"] == [{"href": "https://runbooks.example.org/bot-exporter/BotAllDown.md", "text": "Runbook"}]
    words = page["payload"]["custom_details"]["message"]
    assert "No racetime bot works. Present reasons: 4 invalid_credentials; If it is the network" in words
    assert "fix the password or secret" in words
    assert re.search(r"Since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Runbook: https://runbooks", words)
    assert line.tickets == []
    assert line.pages_over == []

    line.tell_bots(fresh)
    await line.until(lambda: line.pages_over)
    (over,) = line.pages_over
    assert over["dedup_key"] == page["dedup_key"]
    assert len(line.pages) == 1


async def test_one_wrong_secret_is_one_ticket_that_stays(line: Chain) -> None:
    await line.calm()
    fresh = line.renew_secrets(["sm"])
    await line.until(lambda: line.tickets)
    (ticket,) = line.tickets
    title = "WARNING: A service refuses a bot's credentials. Bot sm, racetime"
    assert ticket["title"] == title
    assert "sm: racetime.gg refuses the client id and secret. Fix the client secret" in ticket["text"]
    assert ticket["title_link"] == "https://runbooks.example.org/bot-exporter/BotAuthFailed.md"

    # The bot does not try again for minutes, so nothing is counted: an alert on a growing counter would be over by now.
    await line.server.until('increase(bot_auth_failures_total{bot="sm",reason="invalid_credentials"}[3s])', (), {(): 0})
    firing = 'ALERTS{alertname="BotAuthFailed",alertstate="firing",bot="sm"}'
    await line.server.until(f"count_over_time({firing}[1m]) > bool 15", ("reason",), {("invalid_credentials",): 1})
    await line.barrier()
    assert line.tickets == [ticket]
    assert line.pages == []

    line.tell_bots(fresh)
    await line.until(lambda: line.good_news("A service refuses a bot's credentials."))
    assert re.search(r"Over: sm, from \S+ \S+ UTC to \S+ \S+ UTC", line.tickets[1]["text"])
    await line.until(lambda: len(line.inboxes.mail) >= 2)
    mails = [mail for mail in line.inboxes.mail if "Barrier" not in mail["Subject"]]
    assert mails[0]["Subject"] == title
    body = mails[0].get_body(("plain",))
    assert body is not None
    assert "Fix the client secret" in body.get_content()


async def test_an_outage_of_the_service_is_one_ticket(line: Chain) -> None:
    """Three bots of four fail alike; the fourth still works, so that nobody is woken."""
    await line.calm()
    out = [line.held.simulator.faults.on("http_status", f"category@{slug}", "502") for slug in CATEGORIES[:3]]
    await line.until(lambda: line.tickets)
    await line.server.until("min_over_time(bot_racetime_outage[6s])", (), {(): 1})
    await line.barrier()
    (ticket,) = line.tickets
    assert ticket["title"] == "WARNING: Most bots of a platform fail alike by the network. racetime"
    assert "Wait: the bots come back by themselves" in ticket["text"]
    assert await line.server.query('max_over_time(ALERTS{alertname="BotDown",alertstate="firing"}[6s])') == {}
    assert line.pages == []

    for switch in out:
        line.held.simulator.faults.off(switch)
    line.begin_anew()
    await line.until(lambda: line.good_news("Most bots of a platform fail alike by the network."))


async def test_a_site_that_is_gone_is_one_page(line: Chain) -> None:
    await line.calm()
    await line.held.simulator.stop()
    await line.until(lambda: line.pages)
    await line.inhibited("BotServiceOutage", 1)
    await line.barrier()
    (page,) = line.pages
    assert "4 refused; If it is the network" in page["payload"]["custom_details"]["message"]
    assert line.tickets == []

    await line.held.simulator.start()
    line.begin_anew()
    await line.until(lambda: line.pages_over)
    assert len(line.pages) == 1


async def test_a_killed_exporter_is_one_page(line: Chain) -> None:
    await line.calm()
    line.running.process.kill()
    await line.running.exit_code()
    await line.until(lambda: line.pages)
    await line.barrier()
    (page,) = line.pages
    assert page["payload"]["summary"] == f"CRITICAL: The exporter cannot be scraped. at {line.instance}"
    assert "No bot runs if the process is gone" in page["payload"]["custom_details"]["message"]
    assert line.tickets == []

    await line.start_exporter()
    await line.until(lambda: line.pages_over)
    assert line.pages_over[0]["dedup_key"] == page["dedup_key"]


async def test_a_refused_configuration_is_one_ticket(line: Chain) -> None:
    await line.calm()
    good = line.held.config.read_text()
    line.held.config.write_text(good.replace("poll_interval", "pol_interval"))
    line.running.process.send_signal(signal.SIGHUP)
    await line.until(lambda: line.tickets)
    await line.barrier()
    (ticket,) = line.tickets
    assert ticket["title"] == f"WARNING: The exporter refused its changed configuration. at {line.instance}"
    assert "goes on with the old configuration; a restart would not come up" in ticket["text"]
    assert line.pages == []

    line.held.config.write_text(good)
    line.running.process.send_signal(signal.SIGHUP)
    await line.until(lambda: line.good_news("The exporter refused its changed configuration."))


async def test_the_watchdog_is_heard_all_the_time(line: Chain) -> None:
    line.inboxes.watchdog.clear()
    await line.until(lambda: len(line.inboxes.watchdog) >= 2)
    for message in line.inboxes.watchdog:
        assert [alert["labels"]["alertname"] for alert in message["alerts"]] == ["Watchdog"]


async def test_maintenance_of_steam_wakes_nobody(tmp_path: Path) -> None:
    """The shipped configuration, with the weekly maintenance all the time."""

    def all_week(text: str) -> str:
        text = quick(text)
        for old, new in (
            ("weekdays: [tuesday]", "weekdays: ['sunday:saturday']"),
            ("15:30", "00:00"),
            ("17:30", "24:00"),
        ):
            assert old in text
            text = text.replace(old, new)
        return text

    async with (
        inboxes() as mailbox,
        alertmanager(alertmanager_config(tmp_path / "d", mailbox, all_week), tmp_path) as manager,
    ):
        await manager.send(
            {
                "alertname": "BotAllDown",
                "severity": "critical",
                "scope": "platform",
                "platform": "dota2",
                "job": "a",
            },
            {"alertname": "BotNoneAvailable", "severity": "warning", "platform": "dota2", "job": "b"},
        )
        await eventually(lambda: manager.log.read_text().count("route is within mute time") >= 2)
        await manager.send(
            {"alertname": "BotAllDown", "severity": "critical", "scope": "platform", "platform": "racetime"},
            {"alertname": "BotAuthFailed", "severity": "warning", "platform": "dota2"},
        )
        await eventually(lambda: mailbox.pagerduty and mailbox.slack)
        assert [event["payload"]["summary"] for event in mailbox.pagerduty] == ["CRITICAL: BotAllDown racetime"]
        assert [message["attachments"][0]["title"] for message in mailbox.slack] == ["WARNING: BotAuthFailed dota2"]


async def test_a_note_goes_to_the_chat(tmp_path: Path) -> None:
    async with inboxes() as mailbox, alertmanager(alertmanager_config(tmp_path / "d", mailbox), tmp_path) as manager:
        await manager.send({"alertname": "BotRaceStuck", "severity": "info", "platform": "racetime"})
        await eventually(lambda: mailbox.discord)
        assert mailbox.discord[0]["embeds"][0]["title"] == "INFO: BotRaceStuck racetime"
        assert mailbox.pagerduty == mailbox.slack == []
