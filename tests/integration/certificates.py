"""Certificates for the tests, made with `openssl`."""

import subprocess


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
