"""What counts as read in a room's chat."""

from exporter.platforms.racetime.chat import ChatMemory
from exporter.platforms.racetime.messages import ChatMessage


def line(message_id: str, at: float | None = 0.0) -> ChatMessage:
    return ChatMessage(
        id=message_id,
        text="",
        plain="",
        user_id=None,
        user=None,
        bot=None,
        posted_at=at,
        is_bot=False,
        is_system=False,
        is_monitor=False,
        is_pinned=False,
        delay_s=0,
    )


def test_each_message_is_new_once() -> None:
    memory = ChatMemory()
    assert memory.last_id is None
    assert memory.is_new(line("a", 1.0), live=True)
    assert not memory.is_new(line("a", 1.0), live=False)
    assert memory.is_new(line("b", None), live=False)
    assert memory.last_id == "b"


def test_a_history_from_before_we_came_is_old() -> None:
    memory = ChatMemory()
    memory.joined(100.0)
    assert not memory.is_new(line("a", 99.0), live=False)
    assert memory.is_new(line("b", 101.0), live=False)
    assert memory.is_new(line("c", 99.9), live=True)  # it was under way when we came


def test_what_no_longer_fits_the_memory_stays_read() -> None:
    memory = ChatMemory()
    for n in range(1000):
        assert memory.is_new(line(str(n), float(n)), live=True)
    assert not any(memory.is_new(line(str(n), float(n)), live=False) for n in range(1000))
    assert memory.last_id == "999"
