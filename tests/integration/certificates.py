"""Certificates for the tests, made with `openssl`, and who uses them."""

import re
import socket
import ssl
import subprocess

from support import DEADLINE


class Authority:
    """Signs certificates, as files in a folder."""

    def __init__(self, folder, name="authority"):
        self._folder = folder
        self.ca, self._key = folder / f"{name}.crt", folder / f"{name}.key"
        self._run("req", "-x509", *self._new_key(self._key), "-out", self.ca, "-days", "30", "-subj", f"/CN={name}")

    def issue(self, name, hosts="DNS:localhost,IP:127.0.0.1", days=10):
        """Makes `name`.crt and `name`.key, replacing those that are there."""
        made, request = self._folder / f"{name}.crt", self._folder / f"{name}.csr"
        key = self._folder / f"{name}.key"
        self._run("req", *self._new_key(f"{key}.new"), "-out", request, "-subj", f"/CN={name}",
                  "-addext", f"subjectAltName={hosts}")
        self._run("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-copy_extensions", "copyall",
                  "-days", str(days), "-out", f"{made}.new")
        (self._folder / f"{name}.key.new").rename(key)
        (self._folder / f"{name}.crt.new").rename(made)
        return made, key

    @staticmethod
    def _new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    @staticmethod
    def _run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def tls_receiver(sluice, scheme, pair, *arguments):
    """A receiver that listens on `scheme` too, and the port of that."""
    cert, key = pair
    made = sluice.receiver("store", "--listen", f"{scheme}://127.0.0.1:0", "--cert", cert, "--key", key, *arguments)
    port = int(made.errors.wait_for(re.escape(f"listening on {scheme}://127.0.0.1:") + r"(\d+)").group(1))
    return made, port


def tls_connect(authority, port, *pair):
    """A connection to a receiver, which must be whom the authority says; with the certificate and key of a client."""
    context = ssl.create_default_context(cafile=authority.ca)
    if pair:
        context.load_cert_chain(*pair)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE),
                               server_hostname="localhost")
