"""A disk that fills below the store and below the spool, and is freed: tests/soak/full_disk.py, made short."""

import os
import pathlib
import subprocess
import sys

import pytest

import support

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "soak" / "full_disk.py"


def test_a_full_disk_stops_the_store_until_it_is_freed():
    done = subprocess.run([sys.executable, PROGRAM, "--sluice", support.BINARY, "--size", "32", "--rounds", "2",
                           "--seed", "1"], capture_output=True, text=True, check=False, env=os.environ,
                          timeout=4 * support.DEADLINE)
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
