"""Frames of the live feed become what is true, and what has changed."""

from typing import Any

from exporter.ctl.board import Board, Changed


def frame(type_: str, number: int, kind: str | None = None, id_: str | None = None, data: Any = None) -> dict[str, Any]:
    return {"type": type_, "cursor": f"boot-{number}", "kind": kind, "id": id_, "data": data}


def snapshot(board: Board, *bots: tuple[str, dict[str, Any]]) -> list[Changed]:
    found = list[Changed]()
    for name, data in bots:
        found += board.receive(frame("snapshot", 0, "bot", name, data))
    return found + board.receive(frame("snapshot", 1))


def test_a_snapshot_is_complete_at_its_end() -> None:
    board = Board()
    assert board.receive(frame("snapshot", 0, "bot", "a", {"x": 1})) == []
    assert board.all("bot") == [{"x": 1}]
    board.receive(frame("snapshot", 0, "system", None, {"total_bots": 1}))
    board.receive(frame("snapshot", 1))
    assert board.complete
    assert (board.all("bot"), board.system, board.cursor, board.resumed) == (
        [{"x": 1}],
        {"total_bots": 1},
        "boot-1",
        False,
    )


def test_changes_tell_before_and_after() -> None:
    board = Board()
    snapshot(board, ("a", {"x": 1}))
    assert board.receive(frame("change", 2, "bot", "a", {"x": 2})) == [Changed("bot", "a", {"x": 1}, {"x": 2})]
    assert board.receive(frame("change", 3, "bot", "b", {"x": 3})) == [Changed("bot", "b", None, {"x": 3})]
    assert board.receive(frame("change", 4, "bot", "a", None)) == [Changed("bot", "a", {"x": 2}, None)]
    assert board.receive(frame("change", 5, "bot", "never", None)) == []
    assert board.receive(frame("heartbeat", 6)) == []
    assert (board.all("bot"), board.cursor) == ([{"x": 3}], "boot-6")


def test_an_object_may_change_and_go_while_a_snapshot_is_read() -> None:
    board = Board()
    for number, data in enumerate(({"x": 1}, {"x": 2}, None)):
        board.receive(frame("snapshot", number, "bot", "a", data))
    assert snapshot(board, ("b", {"x": 9})) == []
    assert board.all("bot") == [{"x": 9}]


def test_a_connection_that_resumes_keeps_all() -> None:
    board = Board()
    snapshot(board, ("a", {"x": 1}))
    board.connected()
    assert board.receive(frame("change", 2, "bot", "b", {"x": 2})) == [Changed("bot", "b", None, {"x": 2})]
    assert (board.resumed, len(board.all("bot"))) == (True, 2)


def test_a_new_snapshot_forgets_all_and_tells_the_difference_at_its_end() -> None:
    board = Board()
    snapshot(board, ("a", {"x": 1}), ("b", {"x": 2}), ("same", {"x": 0}))
    board.connected()
    assert snapshot(board, ("b", {"x": 3}), ("c", {"x": 4}), ("same", {"x": 0})) == [
        Changed("bot", "a", {"x": 1}, None),
        Changed("bot", "b", {"x": 2}, {"x": 3}),
        Changed("bot", "c", None, {"x": 4}),
    ]
    assert board.resumed is False


def test_a_snapshot_that_was_cut_off_is_none_to_compare_with() -> None:
    board = Board()
    snapshot(board, ("a", {"x": 1}))
    board.connected()
    board.receive(frame("snapshot", 0, "bot", "b", {"x": 2}))
    board.connected()
    assert snapshot(board, ("a", {"x": 1})) == []
    assert board.all("bot") == [{"x": 1}]
