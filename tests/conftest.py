"""Options of all tests, and the one thing that a shell may have left in a way that tests cannot live with."""

import os
import signal

import hypothesis
import pytest

from tests.foreign import EXAMPLES, MORE

# `make fuzz` tries more inputs in every test of a property that has no number of its own.
if MORE in os.environ:
    hypothesis.settings.register_profile("fuzz", max_examples=EXAMPLES, deadline=None)
    hypothesis.settings.load_profile("fuzz")

# Whoever runs the tests in the background of a script ignores Ctrl-C, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much `make fuzz` tried, for docs/reliability.md."""
    if MORE in os.environ:
        passed = len(terminalreporter.getreports("passed"))
        terminalreporter.write_line(f"fuzz: {passed} tests held, with up to {EXAMPLES} inputs for each property")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="FOLDER", help="have tests/browser write the README's pictures there")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was proved in one way of several, as the tests recorded it: machines differ in what they allow."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, told in report.user_properties:
            terminalreporter.write_line(f"{name}: {told}")
