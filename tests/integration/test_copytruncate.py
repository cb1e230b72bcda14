"""Files that are copied and truncated while they are followed, with `kill -9`: tests/soak/kill_follow.py, made short."""

import kill_follow


def test_nothing_is_lost_if_the_writer_waits(soak):
    soak(kill_follow, lines=20_000, rate=5_000, kills=4, rotate=2_000, rotation="copytruncate", seed=1)


def test_only_what_is_written_between_copy_and_truncation_is_lost(soak):
    soak(kill_follow, lines=20_000, rate=5_000, kills=4, rotate=2_000, rotation="copytruncate", writer="goes-on", seed=2)
