"""Generate the protobuf module and its stubs from the .proto, or check that those in the tree agree with it.

python scripts/protos.py            write them
python scripts/protos.py --check    exit with 1 if they differ
"""

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "exporter" / "platforms" / "dota2" / "proto"
SOURCE = FOLDER / "dota2.proto"


def generate(out: Path) -> list[Path]:
    """Compile the source below a folder and return the files.

    The name under which protobuf registers the file is its path in the project: "dota2.proto" could be anybody's.
    """
    name = SOURCE.relative_to(ROOT)
    if protoc.main(["protoc", f"-I{ROOT}", f"--python_out={out}", f"--pyi_out={out}", str(name)]) != 0:
        sys.exit(f"{name} cannot be compiled")
    return [out / name.with_name(each) for each in ("dota2_pb2.py", "dota2_pb2.pyi")]


def main() -> int:
    if sys.argv[1:] != ["--check"]:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        fresh = generate(Path(scratch))
        stale = [each.name for each in fresh if each.read_bytes() != (FOLDER / each.name).read_bytes()]
    if stale:
        print(f"not what {SOURCE.name} says: {', '.join(stale)}; run `make proto`")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
