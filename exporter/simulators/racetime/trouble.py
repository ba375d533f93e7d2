"""The demo on a site in trouble, at human pace, for whoever wants to see alerts fire and calm down again."""

from typing import Final

from exporter.simulators.faults import Fault, FaultSchedule
from exporter.simulators.racetime.script import Demo, Scenario

LOOP_S: Final = 1200.0
SCHEDULE: Final = FaultSchedule(
    (
        # A blip: quiet.
        Fault("http_status", "*", 60.0, 4.0, "502"),
        # A deploy of the site: three waves.
        Fault("close_sockets", "*", 120.0, 0.0, "1012"),
        Fault("close_sockets", "*", 128.0, 0.0, "1012"),
        Fault("drop_sockets", "*", 136.0, 0.0),
        # The token dies with the credentials; otherwise nobody would notice for hours.
        Fault("refuse_credentials", "token@demo-ootr", 200.0, 120.0),
        Fault("revoke_tokens", "bot@demo-ootr", 200.5, 0.0),
        # The token endpoint's own intermittent trouble, and a slow afternoon.
        Fault("http_status", "token", 360.0, 20.0, "503"),
        Fault("slow", "category", 380.0, 20.0, "3"),
        # The outage.
        Fault("refuse_connections", "*", 440.0, 120.0),
        # A message bus that breaks, then a server that hangs.
        Fault("close_when_idle", "*", 660.0, 30.0, "5"),
        Fault("silence", "*", 780.0, 20.0),
        Fault("drop_before", "*", 900.0, 5.0),
        Fault("close_sockets", "socket@alttpr", 960.0, 0.0, "1011"),
        # The outage again, this time behind a proxy that still answers.
        Fault("http_status", "*", 1040.0, 120.0, "503"),
        Fault("drop_sockets", "*", 1040.0, 0.0),
    ),
    repeat_s=LOOP_S,
)


def trouble(now: float, seed: int = 1) -> Scenario:
    """Return the demo on a site that has trouble, in a loop of twenty minutes.

    | minute | what happens |
    |---|---|
    | 1:00 | four seconds of 502 |
    | 2:00 | sockets closed in three waves of 8 s |
    | 3:20 | two minutes in which the bot of ootr is refused: token and credentials |
    | 6:00 | 20 s of 503 at the token endpoint, then 20 s in which polls take 3 s |
    | 7:20 | an outage of two minutes: connections refused |
    | 11:00 | 30 s in which idle sockets are closed with 1011 |
    | 13:00 | 20 s in which no socket says anything |
    | 15:00 | five seconds of dropped connections |
    | 16:00 | the sockets of alttpr closed with 1011 |
    | 17:20 | an outage of two minutes: 503 from the proxy, sockets dropped |

    Everything is well in between, and for the first minute.
    """
    scenario = Demo(now, seed=seed)
    scenario.schedule = SCHEDULE
    return scenario
