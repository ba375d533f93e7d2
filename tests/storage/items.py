"""History items made by hand."""

from exporter.model.history import HistoryItem, HistoryKind


def item(at: float, kind: HistoryKind = HistoryKind.STATE, bot: str = "alpha") -> HistoryItem:
    return HistoryItem(0, at, kind, bot, "testing", "disconnected", "connecting")
