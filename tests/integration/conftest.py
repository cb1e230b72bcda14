import pathlib
import sys

import pytest

from certificates import Authority
from support import Sluice

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "soak"))


@pytest.fixture
def sluice():
    with Sluice() as made:
        yield made


@pytest.fixture
def authority(sluice):
    return Authority(sluice.tmp)


@pytest.fixture
def soak():
    """Runs one of tests/soak with other figures than its own."""
    def run(program, **figures):
        options = program.arguments([])
        for name, value in figures.items():
            assert hasattr(options, name)
            setattr(options, name, value)
        print(f"seed {options.seed}")
        print(program.run(options))
    return run
