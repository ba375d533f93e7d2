"""Which error of a group decides, and how problems read."""

from exporter.errors import AuthError, AuthReason, ConfigError, FailureReason, Problem, TransientError, leading

NETWORK = TransientError(FailureReason.DNS, "no such host")
REFUSED = AuthError(AuthReason.INVALID_CREDENTIALS, "wrong secret")
BUG = KeyError("x")


def test_a_bug_weighs_more_than_credentials_and_these_more_than_the_network() -> None:
    assert leading(ExceptionGroup("tasks", [NETWORK, ExceptionGroup("inner", [REFUSED])])) is REFUSED
    assert leading(ExceptionGroup("tasks", [NETWORK, REFUSED, BUG])) is BUG
    assert leading(NETWORK) is NETWORK


def test_problems_are_sorted_by_place_and_name_it() -> None:
    late, early = Problem("c.yaml", 9, "bots[0].name", "is missing"), Problem("c.yaml", 2, "web", "unknown key")
    assert str(ConfigError([late, early])) == "c.yaml:2: web: unknown key\nc.yaml:9: bots[0].name: is missing"
    assert str(Problem("c.yaml", 0, "", "cannot be read")) == "c.yaml: cannot be read"
