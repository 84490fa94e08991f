"""The proxy's X-Dragonfly- headers, each with what it does: requests' from one daemon alone, and answers'."""

import hashlib
import http.client
import os

from fixture import MIB, PROXY, ClusterTest, deadline
from lab.image import file_sha256

SIZE = 9 * MIB + 5
OUTPUT = "/var/lib/output"
ID = "X-Dragonfly-Task-ID"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def task(self):
        return self.headers[ID]


class Headers(ClusterTest):
    def setUp(self):
        super().setUp()
        self.scheduler.start()
        self.daemon = self.add_daemon("node1", 21, extra={"proxy": {"outputDir": OUTPUT}})
        os.makedirs(self.daemon.node.path(OUTPUT + "/deep"))

    def ask(self, file, headers=None, query=""):
        connection = http.client.HTTPConnection(self.daemon.node.ip, PROXY, timeout=30)
        self.addCleanup(connection.close)
        all_headers = {"X-Dragonfly-Registry": self.origin.url, **(headers or {})}
        connection.request("GET", file.path + query, headers=all_headers)
        return Answer(connection.getresponse())

    @deadline(60)
    def test_what_names_the_task(self):
        """(headers, what its id is calculated from)"""
        file = self.origin.add(1, SIZE)
        url = self.origin.url + file.path
        by_url = {"X-Dragonfly-Enable-Task-ID-Based-Blob-Digest": "false"}
        cases = [
            ({}, None),
            ({"X-Dragonfly-Enable-Task-ID-Based-Blob-Digest": "TRUE"}, None),
            (by_url, url + "?a=1"),
            ({**by_url, "X-Dragonfly-Tag": "tag"}, url + "?a=1tag"),
            ({**by_url, "X-Dragonfly-Application": "app"}, url + "?a=1app"),
            ({**by_url, "X-Dragonfly-Piece-Length": "8 mib"}, url + "?a=1" + str(8 * MIB)),
            ({**by_url, "X-Dragonfly-Filtered-Query-Params": "b, a"}, url),
            ({"X-Dragonfly-Content-For-Calculating-Task-ID": "my own"}, "my own"),
        ]
        for headers, text in cases:
            if text is None:
                wanted = file.sha256
            else:
                standard = "" if text == "my own" else "STANDARD"
                wanted = hashlib.sha256((text + standard).encode()).hexdigest()
            with self.subTest(headers=headers):
                answer = self.ask(file, headers, "?a=1")
                self.assertEqual((answer.status, answer.task), (200, wanted))
                self.assertEqual(hashlib.sha256(answer.body).hexdigest(), file.sha256)

    @deadline(60)
    def test_what_answers_say(self):
        file = self.origin.add(2, SIZE)
        finished = "X-Dragonfly-Task-Download-Finished"
        for wanted in (None, "true"):
            answer = self.ask(file)
            self.assertEqual(answer.headers[finished], wanted)
            self.assertEqual(answer.headers["X-Dragonfly-Server-IP"], self.daemon.node.ip)
            self.assertEqual(answer.task, file.sha256)

    @deadline(60)
    def test_who_is_to_blame(self):
        missing = type("Missing", (), {"path": "/v2/test/blobs/sha256:" + "0" * 64})
        self.assertEqual(self.ask(missing).headers["X-Dragonfly-Error-Type"], "backend")
        bad = self.ask(missing, {"X-Dragonfly-Priority": "9"})
        self.assertEqual((bad.status, bad.headers["X-Dragonfly-Error-Type"]), (400, "proxy"))
        self.assertIn(b'X-Dragonfly-Priority is "9"; allowed are 0 to 6', bad.body)
        self.origin.close()
        gone = self.ask(self.origin.add(3, SIZE))
        self.assertEqual((gone.status, gone.headers["X-Dragonfly-Error-Type"]), (502, "dfdaemon"))

    @deadline(60)
    def test_use_p2p(self):
        """It makes a task of what no rule names, and nothing else of what one names."""
        other = self.origin.add(4, SIZE)
        blob_path, other.path = other.path, "/plain"
        self.origin.files["/plain"] = other
        for headers, task in (({}, False), ({"X-Dragonfly-Use-P2P": "false"}, False), ({"X-Dragonfly-Use-P2P": "true"}, True)):
            self.assertEqual(self.ask(other, headers).task is not None, task)
        other.path = blob_path
        self.assertIsNotNone(self.ask(other, {"X-Dragonfly-Use-P2P": "false"}).task)

    # --- output files ---

    def expect_output(self, file, name, headers=(), part=None):
        """curl on the node itself, with an output path: client and file get the same."""
        path = f"{OUTPUT}/{name}"
        download = self.start_download("node1", file, [f"X-Dragonfly-Output-Path: {path}", *headers])
        if part is None:
            self.expect_right(download, file, 30)
            self.assertEqual(file_sha256(self.daemon.node.path(path)), file.sha256)
        else:
            self.assertEqual(download.wait(30), (0, 206))
            with open(self.daemon.node.path(path), "rb") as got:
                self.assertEqual(got.read(), file.data[part])
        return os.stat(self.daemon.node.path(path))

    @deadline(60)
    def test_output_files(self):
        file = self.origin.add(5, SIZE)
        self.assertEqual(self.expect_output(file, "cold").st_nlink, 1)
        self.assertEqual(self.expect_output(file, "deep/warm").st_nlink, 1)
        self.expect_output(file, "part", ["Range: bytes=100-199"], slice(100, 200))
        self.expect_output(file, "tail", ["Range: bytes=-7"], slice(SIZE - 7, SIZE))
        linked = self.expect_output(file, "link", ["X-Dragonfly-Force-Hard-Link: true"])
        self.assertGreater(linked.st_nlink, 1)
        empty = self.origin.add(6, 0)
        download = self.start_download("node1", empty, [f"X-Dragonfly-Output-Path: {OUTPUT}/empty"])
        self.assertEqual(download.wait(30), (0, 200))

    def refused(self, path, status):
        file = self.origin.add(7, SIZE)
        download = self.start_download("node1", file, [f"X-Dragonfly-Output-Path: {path}"])
        self.assertEqual(download.wait(30), (0, status), path)
        with open(download.path, encoding="utf-8") as text:
            return text.read()

    @deadline(60)
    def test_output_files_are_refused(self):
        os.symlink("/var", self.daemon.node.path(OUTPUT + "/out"))
        with open(self.daemon.node.path(OUTPUT + "/there"), "w", encoding="utf-8") as there:
            there.write("mine")
        for path, status in (
            ("/var/lib/elsewhere", 403),
            (OUTPUT + "/../elsewhere", 403),
            (OUTPUT + "/out/elsewhere", 403),
            (OUTPUT + "/missing/file", 400),
            (OUTPUT + "/there", 409),
            (OUTPUT + "/deep", 400),
            ("relative", 400),
        ):
            self.assertIn(path.rpartition("/")[0], self.refused(path, status))
        far = self.ask(self.origin.add(7, SIZE), {"X-Dragonfly-Output-Path": OUTPUT + "/far"})
        self.assertEqual(far.status, 403)
        self.assertIn(b"loopback", far.body)
        self.assertEqual(self.origin.requests, [])
        self.assertEqual(sorted(os.listdir(self.daemon.node.path(OUTPUT))), ["deep", "out", "there"])

    @deadline(60)
    def test_a_client_that_leaves_leaves_no_file(self):
        """Nothing in flight stays behind either: the daemon stops cleanly at the end."""
        file = self.origin.add(8, 4 * SIZE)
        self.shape("origin", 40)
        download = self.start_download("node1", file, [f"X-Dragonfly-Output-Path: {OUTPUT}/left"])
        download.wait_size(MIB)
        download.process.kill()
        self.expect_idle()
        self.assertEqual(os.listdir(self.daemon.node.path(OUTPUT)), ["deep"])
