"""Make the JSON schema of dashboards from Grafana's own types; it is needed only when shape.ts or its packages change.

The types come from the npm package @grafana/schema, joined in scripts/grafana_schema/shape.ts. Needs node and npm.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "scripts" / "grafana_schema"
SCHEMA = ROOT / "tests" / "data" / "dashboards" / "schema.json"


def sources() -> str:
    """Return the fingerprint of all that the schema is made of."""
    files = (TOOL / name for name in ("package-lock.json", "shape.ts"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def main() -> int:
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=TOOL, check=True)
    made = subprocess.run(
        [
            str(TOOL / "node_modules" / ".bin" / "ts-json-schema-generator"),
            *("--path", "shape.ts", "--type", "Shape", "--tsconfig", "tsconfig.json"),
            # Comments stay where they are written; types of one name in several plug-ins are told apart by no name.
            *("--jsDoc", "none", "--expose", "none", "--no-type-check"),
        ],
        cwd=TOOL,
        check=True,
        capture_output=True,
        text=True,
    )
    schema = {"$comment": f"Made by scripts/dashboard_schema.py of {sources()}", **json.loads(made.stdout)}
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(json.dumps(schema, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"wrote {SCHEMA.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
