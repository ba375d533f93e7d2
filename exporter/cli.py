"""The command `bot-exporter`: which of its works is wanted, and exit codes 0 (fine), 1 (failed), 2 (wrong input)."""

import sys
from collections.abc import Sequence

from exporter.errors import ConfigError, StartError
from exporter.flags import Flags, parse_flags
from exporter.secrets import SecretError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        # What runs the fleet is a hundred modules: whoever asks for the version, or for health every 30 s, needs none.
        if arguments[:1] == ["migrate"]:
            from exporter import migrate  # noqa: PLC0415

            return migrate.main(arguments[1:])
        flags = parse_flags(arguments)
        if flags.healthcheck:
            return _healthcheck(flags)
        from exporter import serve  # noqa: PLC0415

        return serve.main(flags)
    except (ConfigError, StartError, SecretError) as error:
        for line in str(error).splitlines():
            print(f"bot-exporter: {line}", file=sys.stderr)  # noqa: T201
        return 2


def _healthcheck(flags: Flags) -> int:
    from exporter.web.healthcheck import healthcheck  # noqa: PLC0415

    if flags.web_config is None:
        return healthcheck(flags.web)
    from exporter.web_config import load_web_config  # noqa: PLC0415

    return healthcheck(flags.web, load_web_config(flags.web_config).tls)


if __name__ == "__main__":
    sys.exit(main())
