"""All that takes orders, built from what the composition root hands over."""

from dataclasses import dataclass

from exporter.dispatch import Dispatch
from exporter.drain import Drain
from exporter.process import ProcessState
from exporter.store import Records, StatusStore
from exporter.supervisor import Supervisor
from exporter.timing import Clock
from exporter.web.control.bots import BotOrders
from exporter.web.control.desk import OrderDesk
from exporter.web.control.elsewhere import Elsewhere
from exporter.web.control.giving import OrderWindow
from exporter.web.control.lobbies import LobbyOrders
from exporter.web.control.older import OlderRoutes
from exporter.web.control.process import ProcessOrders
from exporter.web.control.races import RaceOrders
from exporter.web.shown import Shown


@dataclass(frozen=True, slots=True)
class Commands:
    """Where orders go: the desk that keeps them, and those who carry them out."""

    desk: OrderDesk
    supervisor: Supervisor
    dispatch: Dispatch
    drain: Drain


class ControlRoutes:
    """The handlers of the control API, by what they are about. `base` is what paths begin with for a client.

    Orders are carried out on what is in the store; `records` are what readers see, in a cluster the whole fleet, and
    `elsewhere` passes on what is about bots of other processes.
    """

    def __init__(
        self,
        commands: Commands,
        store: StatusStore,
        process: ProcessState,
        clock: Clock,
        *,
        base: str,
        records: Records,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        window, shown = OrderWindow(commands.desk, base, elsewhere), Shown(records, process)
        self.bots = BotOrders(window, store, commands.supervisor, shown, clock)
        self.lobbies = LobbyOrders(window, store, commands.supervisor, commands.dispatch, records, shown)
        self.races = RaceOrders(window, store, commands.supervisor, commands.dispatch, records, shown)
        self.process = ProcessOrders(window, commands.desk, commands.drain)
        self.older = OlderRoutes(window, records, self.lobbies)
