"""SIGHUP: a running node goes over to what its file says now, or goes on as before."""

import http.client
import os
import re
import signal
import socket
import ssl
import threading
import time

from certificates import Authority
from support import DEADLINE, assert_same


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Node:
    """`sluice run` with a file that changes."""

    def __init__(self, sluice, text):
        self._sluice = sluice
        self.file = sluice.file("node.yaml", text.encode())
        self.process = sluice.start(["run", "-c", self.file])

    def port(self, scheme):
        return int(self.process.errors.wait_for(re.escape(f"listening on {scheme}://127.0.0.1:") + r"(\d+)").group(1))

    def reload(self, text, says):
        """Gives what follows once the node has said it."""
        self._sluice.file("node.yaml", text.encode())
        seen = len(self.process.errors.lines())
        self.process.signal(signal.SIGHUP)
        return self.process.errors.wait_for(says, after=seen)

    def take(self, text):
        self.reload(text, "SIGHUP: .* is taken: ")

    def refuse(self, text, why):
        self.reload(text, "SIGHUP: .* is not taken, and everything goes on as before: .*" + why)


class Load(threading.Thread):
    """Sends one numbered text after the other until it is told to end; `sent` has those that must be stored once."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.prefix, self.sent, self.doubtful, self.failure = name, [], [], None
        self._ends, self._progress = threading.Event(), threading.Condition()
        self.start()

    def run(self):
        try:
            self.open()
            number = 0
            while not self._ends.is_set():
                text = f"{self.prefix} {number:06d} {os.urandom(12).hex()}"
                (self.sent if self.send(text) else self.doubtful).append(text)
                number += 1
                with self._progress:
                    self._progress.notify_all()
            self.close()
        except BaseException as failure:  # told by whoever waits
            self.failure = failure
            with self._progress:
                self._progress.notify_all()

    def await_more(self, count=20):
        with self._progress:
            goal = len(self.sent) + count
            assert self._progress.wait_for(lambda: self.failure or len(self.sent) >= goal, DEADLINE), self.prefix
        assert not self.failure, (self.prefix, self.failure)

    def end(self):
        self._ends.set()
        self.join(DEADLINE)
        assert not self.is_alive() and not self.failure, (self.prefix, self.failure)


class FileLoad(Load):
    def __init__(self, path):
        self.path = path
        super().__init__("file")

    def open(self):
        self._to = self.path.open("ab", buffering=0)

    def send(self, text):
        self._to.write(f"{text}\n".encode())
        return not self._ends.wait(0.0005)

    def close(self):
        self._to.close()
        self.sent, self.doubtful = self.sent + self.doubtful, []  # all of it is in the file


class SyslogLoad(Load):
    """Over one connection, which must not break."""

    def __init__(self, port, name="tcp"):
        self._port = port
        super().__init__(name)

    def open(self):
        self._to = socket.create_connection(("127.0.0.1", self._port), timeout=DEADLINE)

    def send(self, text):
        self._to.sendall(f"<13>1 - host app - - - {text}\n".encode())
        self._ends.wait(0.0005)
        return True

    def close(self):
        self._to.shutdown(socket.SHUT_WR)
        assert self._to.recv(1) == b""
        self._to.close()


class DatagramLoad(SyslogLoad):
    def __init__(self, port):
        super().__init__(port, "udp")

    def open(self):
        self._to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to.connect(("127.0.0.1", self._port))

    def close(self):
        self._to.close()


class HttpLoad(Load):
    """Connects again where a connection was ended; that must always be possible."""

    def __init__(self, port, name="http"):
        self._port = port
        super().__init__(name)

    def open(self):
        self._to = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        self._to.connect()

    def send(self, text):
        try:
            self._to.request("POST", "/ingest", text + "\n", {"Authorization": "Bearer secret"})
            answer = self._to.getresponse()
            body = answer.read()
        except (http.client.HTTPException, ConnectionResetError, BrokenPipeError):
            self.close()
            self.open()
            return False
        assert answer.status < 300, (answer.status, body)
        return True

    def close(self):
        self._to.close()


def serial_of(port, authority):
    """Of the certificate that is shown there."""
    context = ssl.create_default_context(cafile=authority.ca)
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert()["serialNumber"]


def await_refusal(port):
    """Until nobody listens there."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        except ConnectionError:
            return
    raise AssertionError(f"somebody listens on {port}")


def test_under_load(sluice):
    store, log, authority = sluice.tmp / "store", sluice.file("logs/app.log", b""), Authority(sluice.tmp)
    certificates = [authority.issue(name) for name in ("one", "two")]
    for name in ("token", "token-2"):
        sluice.file(name, b"secret\n")
    extra_port, taken = free_port(), socket.create_server(("127.0.0.1", 0))
    lanes = ["syslog+tcp://127.0.0.1:0", "syslog+udp://127.0.0.1:0", "http://127.0.0.1:0", "tls://127.0.0.1:0"]

    def text(labels="a: b", certificate=0, token="token", extra=(), more=""):
        crt, key = certificates[certificate]
        return f"""
node: {{data_dir: {sluice.tmp}/data}}
sources: {{app: {{include: {log}, labels: {{{labels}}}}}}}
store: {{path: {store}}}
receive:
  listen: [{", ".join([*lanes, *extra])}]
  http_token_file: {sluice.tmp}/{token}
  tls: {{crt_file: {crt}, key_file: {key}}}
{more}"""

    node = Node(sluice, text())
    ports = {scheme: node.port(scheme) for scheme in ("syslog+tcp", "syslog+udp", "http", "tls")}
    loads = [FileLoad(log), SyslogLoad(ports["syslog+tcp"]), DatagramLoad(ports["syslog+udp"]), HttpLoad(ports["http"])]

    def all_go_on():
        for load in loads:
            load.await_more()

    extra = f"lines+tcp://127.0.0.1:{extra_port}"
    lines = []
    for turn in range(4):
        all_go_on()
        node.refuse(text() + "  x: [", r"node\.yaml:\d+:\d+: yaml: ")
        node.refuse(text(more="  listne: x"), r"node\.yaml:9:3: receive\.listne: ")
        node.refuse(text().replace(str(store), f"{store}-2"), r"node\.yaml:4:15: store\.path: .* restart")
        node.refuse(text(extra=[extra, f"lines+tcp://127.0.0.1:{taken.getsockname()[1]}"]), "cannot listen: .*in use")
        node.refuse(text(extra=[extra]).replace("one.crt", "absent.crt"), r"absent\.crt")
        await_refusal(extra_port)
        all_go_on()

        changed = {"labels": f"turn: {turn}", "token": "token-2"}
        node.take(text(**changed, extra=[extra]))
        connection = socket.create_connection(("127.0.0.1", extra_port), timeout=DEADLINE)
        lines.append(f"line {turn}")
        connection.sendall(f"{lines[-1]}\n".encode())
        first = serial_of(ports["tls"], authority)
        node.take(text(**changed, extra=[extra], certificate=1))
        assert serial_of(ports["tls"], authority) != first
        while sluice.query(store, "--label", "lane=lines+tcp").count(b"\n") < len(lines):
            assert node.process.is_running
        node.take(text(**changed, certificate=1))
        assert connection.recv(1) == b""  # ended in order
        await_refusal(extra_port)
        node.take(text())
        all_go_on()

    for load in loads:
        load.end()
    until = time.monotonic() + DEADLINE
    while sluice.stored(store, log) != log.read_bytes():
        assert time.monotonic() < until, "the file was not shipped to its end"
    assert node.process.stop() == 0, node.process
    assert_same(sluice.stored(store, log), log.read_bytes())
    assert_same(log.read_bytes(), "".join(f"{x}\n" for x in loads[0].sent).encode())
    for load in loads[1:]:
        stored = sluice.query(store, "--contains", load.prefix + " 0").decode().splitlines()
        stored = [x for x in stored if x.startswith(load.prefix + " ")]
        assert len(stored) == len(set(stored)), f"{load.prefix}: something is stored twice"
        assert set(load.sent) <= set(stored) <= set(load.sent) | set(load.doubtful), load.prefix
    assert sluice.query(store, "--label", "lane=lines+tcp").decode().splitlines() == lines
    assert sluice.query(store, "--label", "turn=3") != b"", "the labels were not taken"
    assert sluice.run("store", "verify", store).code == 0
    taken.close()


def test_a_changed_source_goes_on_where_it_was(sluice):
    """And a removed one, when it comes back; with a spool, too."""
    receiver = sluice.receiver()
    logs = {name: sluice.file(f"{name}.log", f"{name} 0\n".encode()) for name in ("a", "b")}

    def text(sources, more=""):
        named = "".join(f"  {x}: {{include: {logs[x]}{more}}}\n" for x in sources)
        return f"""
node: {{data_dir: {sluice.tmp}/data}}
sources:
{named}
ship: {{to: '{receiver.url}', buffer: {{type: disk}}, batch: {{timeout: 10ms}}}}
"""

    node = Node(sluice, text("ab"))
    node.process.errors.wait_for("source b: following")
    for turn, sources in enumerate(["ab", "a", "ab", "b", "ab"] * 2, 1):
        for name, log in logs.items():
            with log.open("ab") as to:
                to.write(f"{name} {turn}\n".encode())
        node.take(text(sources, f", labels: {{turn: '{turn}'}}"))
    until = time.monotonic() + DEADLINE
    while any(sluice.stored(receiver, x) != x.read_bytes() for x in logs.values()):
        assert time.monotonic() < until, node.process
    assert node.process.stop() == 0, node.process
    for log in logs.values():
        assert_same(sluice.stored(receiver, log), log.read_bytes())


def test_a_source_that_cannot_be_started_is_repaired_by_a_reload(sluice):
    """Such a one was tried for ever, and no reload was read meanwhile."""
    receiver = sluice.receiver()
    logs = {name: sluice.file(f"{name}.log", f"{name}\n".encode()) for name in ("a", "b")}

    def text(sources="ab", buffer="memory"):
        named = ", ".join(f"{x}: {{include: {logs[x]}}}" for x in sources)
        return f"""
node: {{data_dir: {sluice.tmp}/data}}
sources: {{{named}}}
ship: {{to: '{receiver.url}', buffer: {{type: {buffer}}}, batch: {{timeout: 10ms}}}}
"""

    node = Node(sluice, text())
    node.process.errors.wait_for("source b: following")
    (sluice.tmp / "data/sources/a/spool.lock").mkdir()  # nobody can have this spool
    for repaired in ("ab", "b"):
        node.take(text(buffer="disk"))
        node.process.errors.wait_for("source a: .*spool.lock.*; trying again")
        node.take(text(repaired))
    for name in logs:
        with logs[name].open("ab") as to:
            to.write(b"more\n")
    sluice.await_count(receiver, 2, "--label", f"source={logs['b']}")
    assert node.process.stop() == 0, node.process


def test_a_token_that_has_changed_in_its_file_is_taken(sluice):
    port, token = free_port(), sluice.file("token", b"first\n")
    text = f"""
store: {{path: {sluice.tmp}/store}}
receive: {{listen: ['http://127.0.0.1:{port}'], http_token_file: {token}}}
"""
    node = Node(sluice, text)
    node.port("http")

    def status_with(secret):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        connection.request("POST", "/ingest", "line\n", {"Authorization": f"Bearer {secret}"})
        status = connection.getresponse().status
        connection.close()
        return status

    assert status_with("first") < 300
    token.write_bytes(b"second\n")
    node.reload(text, "is taken: 1 listener replaced")
    assert status_with("second") < 300
    assert status_with("first") == 401
    node.reload(text, "is taken: sources and listeners stay as they are")
    assert node.process.stop() == 0, node.process


def test_shippers_of_other_listeners_stay_connected(sluice):
    store = sluice.tmp / "store"

    def text(listen):
        return f"store: {{path: {store}}}\nreceive: {{listen: [{', '.join(listen)}]}}\n"

    kept, removed = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    node = Node(sluice, text([kept, removed]))
    for url in (kept, removed):
        node.process.errors.wait_for(f"listening on {url}")
    log = sluice.file("a.log", b"one\n")
    stays = sluice.start_ship(kept, "--follow", log, state="state-1")
    goes = sluice.start_ship(removed, "--follow", log, state="state-2")
    for shipper in (stays, goes):
        shipper.errors.wait_for("streaming")
    node.take(text([kept]))
    goes.errors.wait_for("shutting down|is shutting")
    with log.open("ab") as to:
        to.write(b"two\n")
    until = time.monotonic() + DEADLINE
    while sluice.query(store).count(b"two\n") < 1:
        assert time.monotonic() < until
    assert stays.stop() == 0, stays
    assert len([x for x in stays.errors.lines() if "streaming" in x]) == 1, stays
    goes.kill()
    assert node.process.stop() == 0, node.process
