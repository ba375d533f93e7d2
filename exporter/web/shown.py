"""Objects as everybody is shown them: by /status, by the feed, and in the answers to orders."""

from exporter.model.status import BotRecord, LobbyRecord, RaceRecord
from exporter.process import ProcessState
from exporter.store import Records
from exporter.web import encode


class Shown:
    """Makes JSON of records, with what others know of them: the process that drains, a lobby's bot, where they are."""

    __slots__ = ("_origin", "_process", "_records")

    def __init__(self, records: Records, process: ProcessState) -> None:
        self._records = records
        self._origin = records.origin
        self._process = process

    def bot(self, record: BotRecord) -> encode.Json:
        """Return a bot."""
        return encode.bot(record, draining=self._process.draining, origin=self._origin("bot", record.name))

    def lobby(self, record: LobbyRecord) -> encode.Json:
        """Return a lobby."""
        bot = self._records.bots.get(record.bot)
        origin = self._origin("lobby", record.key)
        return encode.lobby(record, bot_username=bot.subject if bot is not None else None, origin=origin)

    def race(self, record: RaceRecord) -> encode.Json:
        """Return a race."""
        return encode.race(record, origin=self._origin("race", record.name))
