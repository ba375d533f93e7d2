"""Options of all tests, their order, and the one thing that a shell may have left as tests cannot live with."""

import logging
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from tests.foreign import EXAMPLES, MORE

TESTS = Path(__file__).parent
# What takes seconds, and mostly waits: for programs, a browser, or faults that take their time.
LONG = ("e2e", "browser", "trouble", "contract/test_benchmark", "protocol/test_racetime_schedules", "storage/test_kill")

# `make fuzz` tries more inputs in every test of a property that has no number of its own.
if MORE in os.environ:
    hypothesis.settings.register_profile("fuzz", max_examples=EXAMPLES, deadline=None)
    hypothesis.settings.load_profile("fuzz")

# Whoever runs the tests in the background of a script ignores Ctrl-C, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="FOLDER", help="have tests/browser write the README's pictures there")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was proved in one way of several, as machines differ; and how much `make fuzz` tried."""
    passed = terminalreporter.getreports("passed")
    if MORE in os.environ:
        terminalreporter.write_line(f"fuzz: {len(passed)} tests held, with up to {EXAMPLES} inputs for each property")
    for report in passed + terminalreporter.getreports("failed"):
        for name, told in report.user_properties:
            terminalreporter.write_line(f"{name}: {told}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the long tests out, so that each worker begins with some: the run then ends with many that are short.

    The list is cut into as many equal parts as there are workers, and who is done takes from the ends of the others'.
    The tests of one file stay together, and those of the browser: they share what takes long to start.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    groups, short = defaultdict[str, list[pytest.Item]](list), list[pytest.Item]()
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        if place.startswith(LONG):
            groups["browser" if place.startswith("browser") else place].append(item)
        else:
            short.append(item)
    parts: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, group in enumerate(groups.values()):
        parts[number % workers] += group
    left = len(items)
    for number, part in enumerate(parts):
        size = left // (workers - number)
        fill = max(0, size - len(part))
        part.extend(short[:fill])
        del short[:fill]
        left -= size
    items[:] = [item for part in [*parts, short] for item in part]


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what the program does to logging, for whoever runs a part of it in this process that configures it."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, ("websockets", "aiohttp.access"))]
    levels = [logger.level for logger in loggers]
    handlers = list(root.handlers)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
