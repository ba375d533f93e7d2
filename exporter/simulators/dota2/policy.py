"""The rules that only the live coordinator could show, and how its messages are dressed: both can be changed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """How the simulated coordinator behaves. What is not from recorded lobbies is an assumption."""

    server_found_s: float = 0.45
    """From the launch until a server is found: 0.2 to 0.6 s were seen."""
    server_runs_s: float = 0.55
    """From then until the server runs: 0.4 to 0.7 s were seen."""
    load_limit_s: float = 30.5
    """After so long without all players the game is called off: 30.4 to 30.7 s were seen."""
    closed_after_game_s: float = 0.06
    """From the end of the game until everybody is dismissed: within the same second, always."""
    team_size: int = 5
    most_members: int = 20
    """Assumption: a lobby with so many members is full."""
    obeys_pool_order: bool = True
    """Whether the host comes to the player pool when it orders so; one report says that it does not any more."""
    ping_interval_s: float = 60.0
    """Assumption: how often the coordinator asks whether a player is still there."""
    queue_wait_s: float = 0.0
    """How long a player waits in the queue for a session; 0 means that there is none."""


@dataclass(frozen=True, slots=True)
class Style:
    """How messages look where the real ones may look one way or the other: readers must bear them all."""

    packed: bool = True
    """Whether repeated integers are packed (section 2: accept both)."""
    single_updates: bool = False
    """Whether each changed object comes in a message of its own (22), instead of together (26)."""
    created_as_object: bool = False
    """Whether a new lobby comes as an empty cache (24) and then objects (21), instead of a full cache."""
    lobby_in_welcome: bool = True
    """Whether a player who comes back gets its lobby within the welcome, instead of by a message after it."""
    answer_first: bool = False
    """Whether the answer to an order comes before the objects that it changed."""
    generic_results: bool = True
    """Whether 7055 carries a general result (1 fine, 2 refused), or else the result of a joining (0 fine).

    Public clients declare 7055 as CMsgGenericResult and take 1 for success (node-dota2, node-dota2-user, go-dota2), and
    refused orders were logged as "eresult 2". The protocol notes list the results of joining there, where 1 would mean
    "already in game". Assumption: in the first form a refused creation is answered by 7113, which has those results.
    """
    noise: bool = True
    """Whether there are objects, messages and fields that bots have no use for."""
