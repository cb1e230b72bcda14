"""Real `sluice` processes for the integration tests.

Nothing here sleeps for a fixed time: everything waits for what a process says or does, and every wait has a deadline
that is generous enough for the slowest sanitizer build.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BINARY = os.path.abspath(os.environ.get("SLUICE_BINARY") or shutil.which("sluice") or "sluice")
DEADLINE = float(os.environ.get("SLUICE_TEST_DEADLINE", 150))
# Nothing outlives the tests, not even when they are killed themselves.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
SANITIZER = re.compile(rb"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
LEVEL = re.compile(r"^\S+ (trace|debug|info|warning|error|critical) +")


def is_sanitized():
    """Whether the binary has a sanitizer in it, which takes memory of its own."""
    content = pathlib.Path(BINARY).read_bytes()
    return b"__asan_init" in content or b"__tsan_init" in content


class Output:
    """Lines of a pipe as they come; safe to read while they do."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._pipe:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._pipe.close()

    def join(self):
        self._thread.join(DEADLINE)

    def raw(self):
        with self._changed:
            return b"".join(self._lines)

    def lines(self):
        return self.raw().decode(errors="replace").splitlines()

    def wait_for(self, pattern, timeout=DEADLINE, after=0):
        """The first match of `pattern` in any line but the first `after`."""
        expression = re.compile(pattern)
        until = time.monotonic() + timeout
        with self._changed:
            seen = after
            while True:
                for line in self._lines[seen:]:
                    if found := expression.search(line.decode(errors="replace")):
                        return found
                seen = len(self._lines)
                left = until - time.monotonic()
                if self._ended or left <= 0:
                    why = "the process ended" if self._ended else f"{timeout} s have passed"
                    raise AssertionError(f"no line matches {pattern!r} and {why}:\n"
                                         + b"".join(self._lines).decode(errors="replace"))
                self._changed.wait(left)


class Process:
    """A running `sluice`, or another program; its stderr is read all the time."""

    def __init__(self, arguments, *, env, cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, before=(),
                 program=BINARY):
        self.command = [*before, *map(str, [program, *arguments])]
        self._process = subprocess.Popen(WITH_US + self.command, env=env, cwd=cwd, stdin=stdin, stdout=stdout,
                                         stderr=subprocess.PIPE)
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        self.errors = Output(self._process.stderr)

    def __repr__(self):
        return f"$ {' '.join(self.command)}\n" + "\n".join(self.errors.lines())

    @property
    def pid(self):
        return self._process.pid

    @property
    def is_running(self):
        return self._process.poll() is None

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self, timeout=DEADLINE):
        """Its exit code; negative for the signal that killed it."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self}") from None
        self.errors.join()
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def clean_up(self):
        """Ends it for certain and gives back what its stderr says of sanitizers."""
        if self.is_running:
            self._process.kill()
        self.wait()
        for pipe in (self.stdin, self.stdout):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass
        raw = self.errors.raw()
        return raw.decode(errors="replace") if SANITIZER.search(raw) else None


class Receiver(Process):
    """`sluice receive`, listening."""

    def __init__(self, store, *arguments, port=0, **how):
        super().__init__(["receive", "--listen", f"tcp://127.0.0.1:{port}", "--store", store, *arguments], **how)
        self.store = pathlib.Path(store)
        self.port = None

    def await_start(self):
        self.port = int(self.errors.wait_for(r"listening on tcp://127\.0\.0\.1:(\d+)").group(1))

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    def complaints(self, about=""):
        """Its lines above level info that contain `about`."""
        return [line for line in self.errors.lines()
                if about in line and (found := LEVEL.match(line)) and found[1] in ("warning", "error", "critical")]


class Result:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __repr__(self):
        return f"exit code {self.code}\n$ {' '.join(map(str, self.command))}\n{self.err}"


class Sluice:
    """Runs the verbs of the binary in a folder of its own, and ends what is left over.

    On leaving, every receiver that still runs is told to stop and must drain and end with 0, and every store that a
    receiver has used must verify clean, unless `damaged` names it.
    """

    def __init__(self):
        assert os.path.exists(BINARY), "set SLUICE_BINARY to the program to test"
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="sluice-test-")).resolve()
        self.damaged = set()
        self._processes = []
        self._stores = []
        (self.tmp / "home").mkdir()
        self._env = {k: v for k, v in os.environ.items() if k not in ("XDG_STATE_HOME",)}
        self._env["HOME"] = str(self.tmp / "home")

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        problems = []
        try:
            if failure is None:
                problems = self._end_in_order()
        finally:
            reports = [report for process in self._processes if (report := process.clean_up())]
            shutil.rmtree(self.tmp, ignore_errors=True)
        if reports:
            raise AssertionError("a sanitizer has reported:\n" + "\n".join(reports))
        assert not problems, "\n".join(problems)

    def _end_in_order(self):
        problems = []
        for process in self._processes:
            if isinstance(process, Receiver) and process.is_running and (code := process.stop()) != 0:
                problems.append(f"a receiver ended with {code} on SIGTERM: {process.errors.lines()}")
        for store in self._stores:
            if store not in self.damaged and store.exists():
                checked = self.run("store", "verify", store)
                if checked.code != 0:
                    problems.append(f"store verify: {checked}")
        return problems

    def start(self, *arguments, kind=Process, **how):
        process = kind(*arguments, env=self._env, cwd=self.tmp, **how)
        self._processes.append(process)
        return process

    def run(self, *arguments, input=None, timeout=DEADLINE, program=BINARY):
        """Runs a verb to its end."""
        process = self.start(arguments, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                             stdout=subprocess.PIPE, program=program)
        out = Output(process.stdout)
        if input is not None:
            feed(process, input)
        code = process.wait(timeout)
        out.join()
        return Result(process.command, code, out.raw(), process.errors.raw().decode(errors="replace"))

    def receiver(self, store="store", *arguments, verified=True, kind=Receiver, **how):
        folder = self.tmp / store
        if verified and folder not in self._stores:
            self._stores.append(folder)
        made = self.start(folder, *arguments, kind=kind, **how)
        made.await_start()
        return made

    def ship_arguments(self, to, *arguments, state="state"):
        return ["ship", "--to", to if isinstance(to, str) else to.url, "--state", self.tmp / state, *arguments]

    def ship(self, to, *arguments, state="state", input=None, code=0):
        """Ships to its end; `to` is a receiver, a proxy or a URL."""
        result = self.run(*self.ship_arguments(to, *arguments, state=state), input=input)
        assert result.code == code, result
        return result

    def start_ship(self, to, *arguments, state="state", **how):
        return self.start(self.ship_arguments(to, *arguments, state=state), **how)

    def query(self, store, *arguments, code=0):
        folder = store.store if isinstance(store, Receiver) else store
        result = self.run("query", "--store", folder, *arguments)
        assert result.code == code, result
        return result.out

    def stored(self, store, path):
        """What is stored of a source, as it came."""
        return self.query(store, "--label", f"source={path}")

    def count(self, store, *arguments):
        return int(self.query(store, "--output", "count", *arguments))

    def await_count(self, store, count, *arguments):
        """Waits until exactly so many are stored."""
        until = time.monotonic() + DEADLINE
        while (now := self.count(store, *arguments)) < count:
            assert time.monotonic() < until, f"{now} of {count} records are stored"
            time.sleep(0.1)
        assert now == count

    def file(self, name, content):
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def feed(process, data):
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        pass


def shipped(result):
    """How many records `ship` says were acknowledged."""
    found = re.search(r"sluice ship: (\d+) records?", result.err)
    assert found, result
    return int(found[1])


def segments(store):
    return sorted(pathlib.Path(store).glob("*.seg"))


def log_lines(count, seed, width=60):
    """Lines like a log's, the same for the same seed."""
    pick = random.Random(seed)
    words = [f"{pick.getrandbits(40):x}" for _ in range(200)]
    text = []
    for i in range(count):
        line = f"{i:08d} host app[{i % 97}]:"
        while len(line) < width:
            line += " " + pick.choice(words)
        text.append(line)
    return ("\n".join(text) + "\n").encode()


def noise(size, seed):
    """Bytes that do not compress, in lines of about 200."""
    text = random.Random(seed).randbytes(size).replace(b"\n", b"\r")
    return b"\n".join(text[i:i + 200] for i in range(0, size, 200)) + b"\n"


def used_percent(path):
    """How full the file system of `path` is."""
    space = os.statvfs(path)
    return (space.f_blocks - space.f_bavail) * 100 // space.f_blocks


def assert_same(actual, expected):
    """Equality of much data, told in few words."""
    if actual == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(actual, expected)) if a != b), min(len(actual), len(expected)))
    raise AssertionError(f"{len(actual)} bytes instead of {len(expected)}, different from byte {at} on: "
                         f"{actual[at:at + 40]!r} instead of {expected[at:at + 40]!r}")


class Proxy:
    """Stands between shipper and receiver, keeps what passes, and can hold back what the shipper sends.

    With `hold_after`, so many bytes of the shipper pass, over all connections; then nothing does until `release`.
    With `bytes_per_second`, they pass steadily and no faster.
    """

    def __init__(self, upstream_port, hold_after=None, bytes_per_second=None):
        self._upstream = upstream_port
        self._left = hold_after
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._held, self._released = threading.Event(), threading.Event()
        self._sockets = []
        self.sent, self.received = [], []  # per connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, self._sockets = self._sockets, None
        for each in sockets:
            self._end(each)

    def wait_until_held(self):
        assert self._held.wait(DEADLINE), "the shipper has not sent enough to be held"

    def release(self):
        self._released.set()

    def cut(self):
        """Ends all connections; new ones may be made."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            self._end(each)

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._upstream), timeout=DEADLINE)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                if self._sockets is None:
                    near.close()
                    far.close()
                    return
                self._sockets += [near, far]
                self.sent.append(bytearray())
                self.received.append(bytearray())
                number = len(self.sent) - 1
            threading.Thread(target=self._pump, args=(near, far, self.sent[number], True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, self.received[number], False), daemon=True).start()

    def _pump(self, source, target, kept, is_held):
        try:
            while data := source.recv(65536):
                kept += data
                if is_held:
                    data = self._pass(target, data)
                target.sendall(data)
                if is_held and self._rate:
                    time.sleep(len(data) / self._rate)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if not is_held:
            self._end(target)

    def _pass(self, target, data):
        """Sends what may pass at once; gives back the rest when it may."""
        with self._lock:
            if self._left is None:
                return data
            now = min(self._left, len(data))
            self._left -= now
            is_over = self._left == 0
        if not is_over:
            return data
        target.sendall(data[:now])
        self._held.set()
        self._released.wait(2 * DEADLINE)
        return data[now:]

    @staticmethod
    def _end(which):
        try:
            which.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        which.close()
