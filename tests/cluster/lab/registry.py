"""Debian's docker-registry on a node: start it, push an image, read from its own log what it served to whom."""

import base64
import crypt
import http.client
import json
import os
import ssl
import urllib.parse

from .authority import read, replace
from .wait import steady, until

PORT = 5000
CONFIG = """\
version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ':5000', secret: lab%s}
"""
AUTH = "auth: {htpasswd: {realm: lab, path: /etc/registry.htpasswd}}\n"
TLS = ("/etc/registry.pem", "/etc/registry.key")
BCRYPT = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)


class Registry:
    """`name` is the host name (without port) that images are named by; `password`: (user, password) who may ask; `tls`
    is a certificate's file and its key's: then it is asked by https."""

    def __init__(self, lab, node, name, password=None, tls=None):
        self.node = node
        self.password = password
        self.tls = tls
        self.host = f"{name}:{PORT}"
        self.url = f"https://{self.host}" if tls else f"http://{self.host}"
        lab.name(name, node)
        for path, inside in zip(tls or (), TLS):
            replace(node, inside, read(path))
        http_more = ", tls: {certificate: %s, key: %s}" % TLS if tls else ""
        node.write("/etc/registry.yml", CONFIG % http_more + (AUTH if password else ""))
        if password:
            node.write("/etc/registry.htpasswd", f"{password[0]}:{crypt.crypt(password[1], BCRYPT)}\n")
        self.process = None
        self.start()

    def start(self):
        self.process = self.node.start("registry", "docker-registry", "serve", "/etc/registry.yml")
        until(20, f"the registry answers; its log: {self.process.log}", lambda: self._request("GET", "/v2/")[0] == 200)

    def _connection(self):
        if self.tls:  # whoever signed it
            context = ssl._create_unverified_context()  # pylint: disable=protected-access
            return http.client.HTTPSConnection(self.node.ip, PORT, timeout=60, blocksize=1 << 20, context=context)
        return http.client.HTTPConnection(self.node.ip, PORT, timeout=60, blocksize=1 << 20)

    def _request(self, method, path, body=None, headers=None):
        connection = self._connection()
        headers = dict(headers or {})
        if self.password:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self.password).encode()).decode()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()

    def _expect(self, wanted, method, path, body=None, headers=None):
        status, answer_headers = self._request(method, path, body, headers)
        if status != wanted:
            raise RuntimeError(f"registry: {method} {path}: status {status}, wanted {wanted}")
        return answer_headers

    def push_blob(self, repository, digest, path):
        if self._request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        answer = self._expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        place = urllib.parse.urlsplit(answer["Location"])
        target = f"{place.path}?{place.query}&digest={urllib.parse.quote(digest)}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(os.path.getsize(path))}
        with open(path, "rb") as body:
            self._expect(201, "PUT", target, body, headers)

    def push(self, image, repository, tag):
        """Pushes a lab.image.Image; returns the reference to pull it by."""
        for blob in [image.config] + image.layers:
            self.push_blob(repository, blob.digest, blob.path)
        self.push_manifest(repository, tag, image.manifest)
        return f"{self.host}/{repository}:{tag}"

    def push_manifest(self, repository, tag, blob):
        """A manifest, or an index of some that are there."""
        with open(blob.path, "rb") as file:
            content_type = {"Content-Type": blob.media_type}
            self._expect(201, "PUT", f"/v2/{repository}/manifests/{tag}", file.read(), content_type)

    def mark(self):
        """A position in the log, for served_since()."""
        return os.path.getsize(self.process.log)

    def served_since(self, mark, enough):
        """What was answered since: a list of {ip, method, uri, status, bytes}. The log has an answer a while after its
        receiver; it must tell of the `enough` bytes that receivers say they got, and then be quiet."""
        given = lambda: sum(answer["bytes"] for answer in self._logged(mark) if answer["method"] == "GET")
        until(20, f"{enough} bytes are in the registry's log", lambda: given() >= enough)
        steady(10, "the registry's log is quiet", self.mark)
        return self._logged(mark)

    def _logged(self, mark):
        with open(self.process.log, "rb") as log:
            log.seek(mark)
            lines = log.read().splitlines()
        answers = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if not str(entry.get("msg", "")).startswith("response completed"):
                continue
            answers.append(
                {
                    "ip": entry["http.request.remoteaddr"].rpartition(":")[0],
                    "method": entry["http.request.method"],
                    "uri": entry["http.request.uri"],
                    "status": entry.get("http.response.status"),
                    "bytes": entry.get("http.response.written", 0),
                }
            )
        return answers


def blob_bytes(answers, digests=None, ip=None):
    """Bytes of blobs among `answers`, of these digests and to this client only when given."""
    total = 0
    for answer in answers:
        digest = urllib.parse.urlsplit(answer["uri"]).path.rpartition("/blobs/")[2]
        if answer["method"] != "GET" or not digest.startswith("sha256:"):
            continue
        if (digests is None or digest in digests) and (ip is None or answer["ip"] == ip):
            total += answer["bytes"]
    return total
