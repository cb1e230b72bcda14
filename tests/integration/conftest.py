import pytest

from support import Sluice


@pytest.fixture
def sluice():
    with Sluice() as made:
        yield made
