"""`kill -9` at random moments: the long runs of tests/soak, made short, with a fixed seed."""

import pytest

import failover
import kill_follow
import kill_spool


def test_a_rotated_file_is_followed_through_kills(soak):
    soak(kill_follow, lines=30_000, rate=6_000, kills=6, rotate=3_000, seed=1)


def test_rotated_files_with_dates_in_their_names(soak):
    soak(kill_follow, lines=20_000, rate=6_000, kills=4, rotate=2_000, names="dates", keep_rotated=1, seed=2)


def test_standard_input_goes_through_the_spool_and_kills(soak):
    soak(kill_spool, lines=30_000, rate=8_000, kills=4, receiver_kills=2, seed=3)


def test_shipper_goes_from_one_receiver_to_the_other(soak):
    soak(failover, only="several", lines=20_000, rate=5_000, kills=5, seed=4)


@pytest.mark.parametrize("scene", ["deadline", "drain"])
def test_shipper_ends_in_time_when_the_receiver_has_stopped(soak, scene):
    soak(failover, only=scene, rate=2_000, seed=5)
