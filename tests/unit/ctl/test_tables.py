"""What stands on a terminal of 80 columns, and on wider and narrower ones."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import RenderableType

from exporter.ctl import tables, telling
from exporter.stats import LogonStats
from tests.unit.ctl.answers import HOSTILE, add, drawn, fleet, look, past, status, wire
from tests.web.fleet import NOW

Json = dict[str, Any]

URL = "http://127.0.0.1:9977"

STATUS = """\
bot-exporter 1.2.3 at http://127.0.0.1:9977, up 2h 5m
7 bots: 1 available, 2 busy, 4 not usable; 1 lobby, 1 race
✗ auth failed 1   ? unknown 1   ✓ connected 4   - disconnected 1

BOT       STATUS          STATE         WORKS ON                 PROVED
sm        ✗ auth failed   disconnected                           never
new       ? unknown       disconnected                           never
alttpr    ✓ connected     in race       alttpr/lucky-link-1      3s ago
lobby-2   ✓ connected     in lobby      lobby 29000000000000001  3s ago
lobby-10  ✓ connected     gc connected                           3s ago
ootr      ✓ connected     online        in maintenance           3s ago
quiet     - disconnected  disconnected                           3s ago

sm    invalid credentials: the client secret is wrong; compare it with the
      category's manage/bots page
      next try in 9m; botctl explain sm tells what to do
ootr  in maintenance until 10:00:00: new cables (by boss)

LOBBY              NAME     STATE    BOT      PLAYERS   AGE
29000000000000001  inhouse  waiting  lobby-2  1 v 1 +1  now

RACE                 STATE  ENTRANTS  GOAL           BOT     AGE
alttpr/lucky-link-1  open   1         Beat the game  alttpr  1m
"""

HISTORY = """\
TIME            KIND    BOT  CHANGE                     WHAT
01-14 07:00:00  state   sm   disconnected → connecting
07:59:00        status  sm   unknown → ✗ auth failed    invalid credentials: th…
07:59:30        order   sm   done                       restart: sm (by boss)
there is more before that: add --before 1
"""

STORY = """\
bot         sm, racetime, for sm
status      ✗ auth failed since 07:59:00 (1m ago)
why         invalid credentials: the client secret is wrong; compare it with the
            category's manage/bots page
state       disconnected
takes work  no
switched    on
proved      never
next try    08:09:00, in 9m
to do       write the right secret into the bot's secret file (it is tried
            within seconds), or correct the configuration and reload: botctl
            reload
more        docs/runbooks/BotAuthFailed.md

Last changes
TIME            KIND    CHANGE                     WHAT
01-14 07:00:00  state   disconnected → connecting
07:59:00        status  unknown → ✗ auth failed    invalid credentials: the cli…
07:59:30        order   done                       restart: sm (by boss)

Metrics
bot_up{bot="sm",platform="racetime"} 0.0
"""

LOBBY = """\
lobby     inhouse (29000000000000001)
state     waiting
bot       lobby-2 (lobby-2)
game      AP in USW
password  yes
created   now

TEAM       SLOT  PLAYER  STEAM ID
radiant          Puck    76561198000000001
dire             Lina    76561198000000002
spectator        Cam     76561198000000003
"""

RACE = """\
race      alttpr/lucky-link-1
state     open
goal      Beat the game
info      weekly
entrants  1
bot       alttpr
url       https://racetime.gg/alttpr/lucky-link-1
opened    1m ago
"""

HEALTH = """\
bot-exporter  ! degraded
  dota2       ✓ ok
  racetime    ✗ down
"""

ORDER = """\
order    17
action   create lobby: Tonight
by       admin
given    3s ago
outcome  refused (409)
detail   no bot is free
"""

ANSWERS: dict[str, tuple[Callable[[], RenderableType], str]] = {
    "status": (lambda: tables.everything(status(fleet()), look(), url=URL), STATUS),
    "history": (lambda: telling.history(past(), look()), HISTORY),
    "lobby": (lambda: tables.lobby(status(fleet())["lobbies"][0], look()), LOBBY),
    "race": (lambda: tables.race(status(fleet())["races"][0], look()), RACE),
    "health": (
        lambda: telling.health({"status": "degraded", "components": {"racetime": "down", "dota2": "ok"}}, look()),
        HEALTH,
    ),
    "order": (
        lambda: telling.order(
            {"id": "17", "action": "create_lobby", "target": "Tonight", "bot": None, "actor": "admin",
             "created_at": "2027-01-15T07:59:57.000Z", "state": "done", "code": 409,
             "result": {"detail": "no bot is free"}},
            look(),
        ),
        ORDER,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_eighty_columns(name: str) -> None:
    draw, expected = ANSWERS[name]
    assert drawn(draw()) == expected
    assert max(map(cell_len, expected.splitlines())) <= 80


def test_one_bots_story() -> None:
    sm = next(each for each in status(fleet())["bots"] if each["name"] == "sm")
    metrics = ['bot_up{bot="sm",platform="racetime"} 0.0']
    told = telling.story(sm, past(), metrics, since="2027-01-15T07:59:00.000Z", look=look())
    assert drawn(told) == STORY


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 220])
def test_tables_fit_and_tell_more_where_there_is_room(width: int) -> None:
    store = fleet()
    add(store, "a" * 64)
    add(store, "b" * 64, "dota2")
    head, *_ = lines = drawn(tables.bots(status(store)["bots"], look(width), races=[]), width).splitlines()
    assert all(cell_len(line) <= max(width, 70) for line in lines)
    assert ("PLATFORM" in head, "NEXT TRY" in head, "RECONNECTS" in head) == (width >= 100, width >= 120, width >= 140)


def test_a_name_of_wide_letters_keeps_the_columns() -> None:
    text = drawn(tables.lobby(status(fleet(player="日本の選手"))["lobbies"][0], look()))
    ends = {cell_len(line) for line in text.splitlines() if "7656" in line}
    assert len(ends) == 1


@pytest.mark.parametrize("colour", [True, False])
def test_a_hostile_name_reaches_no_terminal(colour: bool) -> None:
    data = status(fleet(player=HOSTILE))
    for what in (tables.everything(data, look(), url=URL), tables.lobby(data["lobbies"][0], look())):
        text = drawn(what, colour=colour)
        left = text.replace("\x1b[0m", "").replace("\x1b[1m", "")
        assert "\x1b[31m[bold" not in left
        assert not set(left) & set("\x07\u009b\u202e\r")
    assert "[bold red]x[/]" in text


def test_colour_is_never_alone() -> None:
    text = drawn(tables.bots(status(fleet())["bots"], look(), races=[]), colour=True)
    assert "\x1b[1;31m✗ auth failed\x1b[0m" in text
    assert "\x1b[32m✓ connected\x1b[0m" in text
    plain = drawn(tables.bots(status(fleet())["bots"], look(), races=[]))
    assert "\x1b" not in plain
    assert {"✗", "✓", "?", "-"} <= {line.split()[1] for line in plain.splitlines()[1:8]}


def test_a_terminal_without_signs_gets_letters() -> None:
    ascii_only = look(signs=False)
    text = drawn(tables.bots(status(fleet())["bots"], ascii_only, races=[])) + drawn(
        telling.history(past(), ascii_only)
    )
    assert "x auth failed" in text
    assert "unknown -> x auth failed" in text
    assert {each for each in text if not each.isascii()} <= {"…"}


def test_a_large_fleet_shows_at_a_glance_who_needs_somebody() -> None:
    store = fleet()
    for number in range(40):
        add(store, f"fine-{number}")
    text = drawn(tables.everything(status(store), look(), url=URL))
    assert "botctl bots shows all of the 47 bots" in text
    assert "sm " in text
    assert "fine-" not in text


def test_what_concerns_all_logons_and_draining_is_told() -> None:
    logons = LogonStats()
    logons.queue_length, logons.cooldown_until = 7, NOW + 1500
    text = drawn(tables.everything(status(fleet(), logons=logons), look(), url=URL))
    assert "Steam limits our logons until 08:25:00, in 25m" in text
    assert "7 bots in the queue for a logon to Steam" in text
    data = status(fleet())
    data["system"] |= {"draining": True, "draining_waits_for": ["29000000000000001"]}
    assert "draining: no new work is taken on; waiting for 29000000000000001" in drawn(
        tables.everything(data, look(), url=URL)
    )


def test_nothing_is_told_as_nothing() -> None:
    for what in (tables.bots([], look(), races=[]), tables.lobbies([], look()), tables.races([], look())):
        assert drawn(what).startswith("no ")
    assert "nothing has happened" in drawn(telling.history({"items": [], "next": None}, look()))


def test_a_picture_is_as_high_as_the_terminal() -> None:
    data = status(fleet())
    whole = drawn(
        tables.live(data["system"], data["bots"], data["lobbies"], data["races"], look(), url=URL, height=None)
    )
    cut = drawn(tables.live(data["system"], data["bots"], data["lobbies"], data["races"], look(), url=URL, height=8))
    assert len(cut.splitlines()) == 8
    assert cut.splitlines()[-1] == f"{len(whole.splitlines()) - 7} more lines: make the window higher"
    assert "✗ auth failed" in cut


def test_lines_of_changes() -> None:
    data = status(fleet())
    bots = {each["name"]: each for each in data["bots"]}

    def line(kind: str, name: str, before: Json | None, after: Json | None) -> str:
        found = telling.change_line(kind, name, before, after, look())
        return drawn(found).rstrip() if found is not None else ""

    before, after = {**bots["sm"], **_connected(bots["alttpr"])}, bots["sm"]
    assert line("bot", "sm", before, after) == "08:00:00  sm  ✓ connected → ✗ auth failed, invalid credentials"
    assert line("bot", "sm", after, {**after, "state": "connecting"}) == "08:00:00  sm  disconnected → connecting"
    assert line("bot", "sm", after, {**after, "last_status_check_at": None}) == ""
    assert line("bot", "sm", None, after) == "08:00:00  sm  is new: disconnected"
    assert line("bot", "sm", after, None) == "08:00:00  sm  left the fleet"
    lobby = data["lobbies"][0]
    assert line("lobby", "29", lobby, {**lobby, "state": "ready"}) == ("08:00:00  29  inhouse: waiting → ready")
    assert line("lobby", "29", lobby, {**lobby, "radiant_count": 2}) == "08:00:00  29  inhouse: 1 v 1 +1 → 2 v 1 +1"
    assert line("lobby", "lobby-2", {**lobby, "lobby_id": None}, None) == ""
    assert line("lobby", "29", lobby, None) == "08:00:00  29  this lobby is no longer shown"
    assert line("race", "a/b", None, data["races"][0]) == "08:00:00  a/b  is new: race open, 1 entrant"
    system = data["system"]
    assert line("system", "", system, {**system, "draining": True}) == (
        "08:00:00  bot-exporter  new work is taken on → draining"
    )
    assert line("system", "", system, {**system, "available_bots": 5}) == ""
    assert line("system", "", None, system) == ""


def _connected(bot: Json) -> Json:
    return {name: bot[name] for name in ("status_name", "status_reason", "state", "healthy")}


def test_what_a_reload_did() -> None:
    done = wire({"added": ["a"], "removed": [], "changed": ["b", "c"], "unchanged": 1, "needs_restart": ["web.keys"]})
    assert drawn(telling.reloaded(done)) == (
        "reloaded: 1 bot unchanged\nadded: a\nchanged: b, c\nnot used before a restart: web.keys\n"
    )
