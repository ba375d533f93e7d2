"""The generated protobuf module is what its source says, and runs with the locked protobuf."""

import re
import subprocess
import sys
from pathlib import Path

from exporter.platforms.dota2.proto import dota2_pb2 as pb

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "exporter" / "platforms" / "dota2" / "proto"


def test_the_module_and_its_stubs_are_what_the_source_says() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "protos.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_generator_is_not_newer_than_the_locked_protobuf() -> None:
    generated = re.search(r"Protobuf Python Version: ([\d.]+)", (FOLDER / "dota2_pb2.py").read_text())
    locked = re.search(r"^protobuf==([\d.]+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    assert generated is not None
    assert locked is not None
    generator, runtime = (tuple(map(int, found[1].split("."))) for found in (generated, locked))
    assert generator[0] == runtime[0]
    assert generator <= runtime


def test_repeated_numbers_are_read_packed_and_unpacked() -> None:
    unpacked, packed = b"\xc8\x07\x01\xc8\x07\x02", b"\xca\x07\x02\x01\x02"
    for data in (unpacked, packed, unpacked[:3] + b"\xca\x07\x01\x02"):
        assert list(pb.CSODOTALobby.FromString(data).member_indices) == [1, 2]


def test_a_value_that_nobody_knows_yet_comes_through() -> None:
    assert pb.CSODOTALobby.FromString(b"\x20\x63").state == 99
