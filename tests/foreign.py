"""How much is tried with bytes of strangers: some in each run of the tests, much more by `make fuzz`."""

import os

from hypothesis import HealthCheck, settings

MORE = "BOT_EXPORTER_FUZZ_EXAMPLES"
EXAMPLES = int(os.environ.get(MORE, "100"))

much = settings(
    max_examples=EXAMPLES,
    deadline=2000,  # milliseconds: no input may be slow to read
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
