"""`python -m tests.soak`: print the bill, and end with 1 if it has problems."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from benchmarks.measure import load_average, machine
from tests.soak.soak import Options, soak


def main() -> int:
    """Run it."""
    shipped = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--bots", type=int, default=shipped.bots)
    parser.add_argument("--minutes", type=float, default=shipped.trouble_s / 60)
    parser.add_argument("--readers", type=int, default=shipped.readers)
    parser.add_argument("--seed", type=int, default=shipped.seed)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    print("machine           " + ", ".join(f"{name} {value}" for name, value in machine().items()))  # noqa: T201
    load = load_average()
    print(f"load at first     {load:.1f}", flush=True)  # noqa: T201
    options = Options(bots=given.bots, readers=given.readers, trouble_s=given.minutes * 60, seed=given.seed)
    bill = asyncio.run(soak(options))
    print("\n".join(bill.lines()))  # noqa: T201
    if given.json:
        figures = {"machine": machine(), "load_at_first": load, **bill.as_json()}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if bill.problems else 0


if __name__ == "__main__":
    sys.exit(main())
