"""An authority and the certificates that it signs, by the openssl command."""

import os

from .lab import run

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
FOLDER = "/etc/dragonfly/tls"


class Authority:
    """Keeps its files in `folder`, on the machine."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.number = 0
        os.makedirs(folder, exist_ok=True)
        self.cert, self.key = self._path("ca.pem"), self._path("ca.key")
        subject = ["-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:true"]
        run("openssl", "req", "-x509", *NEW_KEY, "-days", "2", *subject, "-keyout", self.key, "-out", self.cert)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, names, days=1):
        """A certificate for these names ("DNS:a,IP:10.0.0.1") and its key, as paths. `days` -1: it has expired."""
        self.number += 1
        request, cert, key = (self._path(f"{self.number}.{what}") for what in ("csr", "pem", "key"))
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"]
        run("openssl", "req", *NEW_KEY, *subject, "-keyout", key, "-out", request)
        signer = ["-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-copy_extensions", "copy"]
        run("openssl", "x509", "-req", "-in", request, *signer, "-days", str(days), "-out", cert)
        return cert, key

    def install(self, node, cert=None, key=None, part="tls"):
        """Puts the authority's certificate, and these two, on a node, as section(part) names them."""
        for what, path in {"caCert": self.cert, "cert": cert, "key": key}.items():
            if path:
                replace(node, section(part)[what], read(path))


def section(part="tls"):
    """The three keys of a TLS section of a configuration file; `part` tells several sets of files apart."""
    return {what: f"{FOLDER}/{part}.{what}" for what in ("caCert", "cert", "key")}


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def replace(node, inside, text):
    """A file of the node in place of the one that was there, all at once."""
    node.write(inside + ".new", text)
    os.rename(node.path(inside + ".new"), node.path(inside))
