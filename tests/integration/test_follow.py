"""`ship --follow`: files that grow, are rotated, truncated, appear and vanish while they are shipped."""

import os
import time

from support import DEADLINE, assert_same, log_lines


def wait_until_stored(sluice, receiver, expected, path):
    """Waits until the store holds `expected` of what is followed at `path`."""
    until = time.monotonic() + DEADLINE
    while (stored := sluice.stored(receiver, path)) != expected:
        assert time.monotonic() < until and len(stored) <= len(expected), assert_same(stored, expected)


class Log:
    """A file as a program writes and rotates it."""

    def __init__(self, path):
        self.path = path
        self.text = b""

    def write(self, text):
        with self.path.open("ab") as out:
            out.write(text)
        self.text += text

    def rotate(self, count=9):
        for number in range(count - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(self.path.name + ".1"))

    def copy_and_truncate(self, name):
        self.path.with_name(name).write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)


def follow(sluice, receiver, *sources, **how):
    return sluice.start_ship(receiver, "--follow", "--poll-interval", "100ms", "--rotate-wait", "1s",
                             "--flush-interval", "50ms", *sources, **how)


def test_appended_lines_are_shipped_and_sigterm_ends_with_0(sluice):
    log = Log(sluice.tmp / "app.log")
    log.write(log_lines(1000, seed=1))
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    log.write(log_lines(1000, seed=2))
    wait_until_stored(sluice, receiver, log.text, log.path)
    whole = log.text
    log.write(b"a line that is completed ")
    assert ship.stop() == 0
    assert_same(sluice.stored(receiver, log.path), whole)
    log.write(b"later\n")
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_rotation_by_renaming(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, log.path)
    for number in range(5):
        log.write(log_lines(500, seed=number))
        wait_until_stored(sluice, receiver, log.text, log.path)
        log.write(log_lines(500, seed=number + 100))
        log.rotate()
    log.write(b"the end\n")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_goes_on_after_a_kill_with_what_was_rotated_meanwhile(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    log.write(log_lines(2000, seed=1))
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    ship.kill()
    for number in range(3):
        log.write(log_lines(500, seed=2 + number))
        log.rotate()
    log.write(b"the end\n")
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_late_lines_of_a_rotated_file_and_its_unterminated_end(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    log.write(b"early\n")
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    with log.path.open("ab") as late:
        log.rotate()
        late.write(b"late\nwithout an end")
        late.flush()
        log.text += b"late\nwithout an end"
        wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_a_removed_file_is_read_to_its_end(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    log.write(b"first\n")
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    log.write(log_lines(3000, seed=1))
    log.path.unlink()
    log.write(b"another file\n")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_files_that_appear_under_a_pattern_and_in_new_folders(sluice):
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, sluice.tmp / "logs" / "*" / "*.log")
    logs = [Log(sluice.tmp / "logs" / folder / name) for folder in ("a", "b") for name in ("1.log", "2.log")]
    for log in logs:
        log.path.parent.mkdir(parents=True, exist_ok=True)
        log.write(log.path.name.encode() + b"\n")
        log.path.with_suffix(".txt").write_bytes(b"not followed\n")
    for log in logs:
        wait_until_stored(sluice, receiver, log.text, log.path)
    assert sluice.count(receiver) == len(logs)
    assert ship.stop() == 0


def test_truncation_with_bytes_unread_is_told(sluice):
    log = Log(sluice.tmp / "app.log")
    log.write(b"never read\n")
    receiver = sluice.receiver()
    assert receiver.stop() == 0
    ship = follow(sluice, receiver, log.path)
    until = time.monotonic() + DEADLINE
    while not (sluice.tmp / "state" / "files").exists():
        assert time.monotonic() < until, "the file is not noted"
    os.truncate(log.path, 0)
    log.text = b""
    log.write(b"anew\n")
    receiver = sluice.receiver(port=receiver.port)
    ship.errors.wait_for(r"app\.log: truncated with 11 bytes unread")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_lines_are_joined_to_records(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, log.path, "--multiline-indent", "--multiline-timeout", "300ms")
    log.write(b"Exception\n  at one\n  at two\nnext\n")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert sluice.count(receiver) == 2
    log.write(b"more\n\tof it\n")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert sluice.count(receiver) == 3
    assert ship.stop() == 0
    other = sluice.file("other.log", b"1 a\nb\nc\n2 d\n")
    sluice.ship(receiver, other, "--multiline-start", r"^\d")
    assert sluice.stored(receiver, other) == b"1 a\nb\nc\n2 d\n"
    assert sluice.count(receiver) == 5
    sluice.ship(receiver, "-", "--multiline-start", r"^\d", input=b"1 a\nb\nc\n2 d\n")
    assert sluice.stored(receiver, "stdin") == b"1 a\nb\nc\n2 d\n"
    assert sluice.count(receiver) == 7
    assert sluice.ship(receiver, other, "--multiline-start", "(", code=64)


def test_thousands_of_files_cost_little(sluice):
    count = 5000
    folder = sluice.tmp / "logs"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.log").write_bytes(b"%d\n" % number)
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, folder / "*.log")

    def wait_for_records(wanted):
        until = time.monotonic() + DEADLINE
        while sluice.count(receiver) < wanted:
            assert time.monotonic() < until and ship.is_running
        assert sluice.count(receiver) == wanted

    wait_for_records(count)
    for number in range(count):
        with (folder / f"{number}.log").open("ab") as out:
            out.write(b"more\n")
    wait_for_records(2 * count)
    assert len(os.listdir(f"/proc/{ship.pid}/fd")) < 300
    assert ship.stop() == 0
