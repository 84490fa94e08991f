"""The daemon's gRPC as other programs use it: files for local callers, deleting what is stored, questions about it."""

import os
import ssl

import grpc

from fixture import MIB, ClusterTest, deadline, until
from lab.authority import Authority, read
from lab.cri import field, first_field, varint
from lab.darter import STORE

SIZE = 20 * MIB + 99
UPLOAD, DOWNLOAD = "/dfdaemon.v2.DfdaemonUpload/", "/dfdaemon.v2.DfdaemonDownload/"
URL, OUTPUT_PATH, CERTIFICATE_CHAIN, OVERWRITE, NEED_PIECE_CONTENT, FORCE_HARD_LINK = 1, 11, 15, 26, 20, 22  # of common.v2.Download
STARTED, PIECE_FINISHED = 4, 5  # of dfdaemon.v2.DownloadTaskResponse
FOLDER = "/tmp/out"


def flag(number):
    return varint(number << 3) + b"\x01"


class DaemonRpc(ClusterTest):
    def setUp(self):
        super().setUp()
        self.start_cluster("node1", "node2")
        self.node = self.daemons["node1"].node
        self.node.enter("mkdir", FOLDER)
        self.file = self.origin.add(1, SIZE)
        self.url = self.origin.url + self.file.path

    def channel(self, local, name="node1"):
        node = self.daemons[name].node
        place = "unix:" + node.socket_path("/run/dragonfly/dfdaemon.sock") if local else f"{node.ip}:4000"
        channel = grpc.insecure_channel(place, options=[("grpc.max_receive_message_length", 100 * MIB)])
        self.addCleanup(channel.close)
        return channel, DOWNLOAD if local else UPLOAD

    def download(self, *fields, local=True, url=None, name="node1"):
        """DownloadTask; returns (code, text, messages)."""
        channel, service = self.channel(local, name)
        request = field(1, field(URL, url or self.url) + b"".join(fields))
        stream = channel.unary_stream(service + "DownloadTask", request_serializer=bytes, response_deserializer=bytes)
        messages = []
        try:
            for message in stream(request, timeout=40):
                messages.append(message)
        except grpc.RpcError as error:
            return error.code(), error.details(), messages
        return grpc.StatusCode.OK, "", messages

    def ask(self, method, task_id, local=True):
        """A unary call about a task; returns (code, answer)."""
        channel, service = self.channel(local)
        call = channel.unary_unary(service + method, request_serializer=bytes, response_deserializer=bytes)
        try:
            return grpc.StatusCode.OK, call(field(1, task_id), timeout=20)
        except grpc.RpcError as error:
            return error.code(), error.details()

    def written(self):
        path = self.node.path(FOLDER + "/file")
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            return file.read()

    @deadline(60)
    def test_a_callers_authorities_vouch_for_the_origin(self):
        """At the seed too, which the scheduler tells to fetch the object, as at the daemon that was asked."""
        self.add_daemon("seed", 24, seed=True)
        self.wait_announced(3)
        until(20, "the seed serves", lambda: " serves" in self.scheduler.process.log_text())
        authority = ssl.PEM_cert_to_DER_cert(read(self.tls_origin()))
        other = ssl.PEM_cert_to_DER_cert(read(Authority(self.lab.folder + "/other").cert))
        file = self.origin.add(1, SIZE)
        url = self.origin.url + file.path
        for chain in (b"", field(CERTIFICATE_CHAIN, other)):
            code, text, _ = self.download(chain, url=url)
            self.assertNotEqual(code, grpc.StatusCode.OK)
            self.assertIn("certificate", text)
        code, text, _ = self.download(field(CERTIFICATE_CHAIN, other), field(CERTIFICATE_CHAIN, authority), url=url)
        self.assertEqual(code, grpc.StatusCode.OK, text)
        self.assertEqual(self.from_origin(file, "seed"), SIZE)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_output_path_with_a_full_store(self):
        """The file's disk has the room; a link to the store's file, or a copy in it, cannot be had."""
        self.node = self.add_small_daemon("node3", 23, SIZE // 3).node
        self.node.enter("mkdir", FOLDER)
        output = field(OUTPUT_PATH, FOLDER + "/file")
        code, text, messages = self.download(output, name="node3")
        self.assertEqual(code, grpc.StatusCode.OK, text)
        self.assertTrue(self.written() == self.file.data)
        self.assertEqual(sum(first_field(message, PIECE_FINISHED) is not None for message in messages), 6)
        for fields in ((output, flag(OVERWRITE), flag(FORCE_HARD_LINK)), ()):
            code, text, _ = self.download(*fields, name="node3")
            self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            self.assertIn(f"no space left in the store's folder {STORE}", text)
        self.assertTrue(self.written() == self.file.data)

    @deadline(60)
    def test_output_path_on_the_socket_and_over_tcp(self):
        output = field(OUTPUT_PATH, FOLDER + "/file")
        code, text, _ = self.download(output, local=False)
        self.assertEqual(code, grpc.StatusCode.PERMISSION_DENIED, text)
        self.assertIsNone(self.written())
        code, text, messages = self.download(output)
        self.assertEqual(code, grpc.StatusCode.OK, text)
        self.assertTrue(self.written() == self.file.data)
        self.assertEqual(sum(first_field(message, PIECE_FINISHED) is not None for message in messages), 6)
        self.assertEqual(self.download(output)[0], grpc.StatusCode.ALREADY_EXISTS)
        # What its user does to the file does the store no harm.
        with open(self.node.path(FOLDER + "/file"), "r+b") as file:
            file.write(b"changed")
        self.assertEqual(self.download(output, flag(OVERWRITE))[0], grpc.StatusCode.OK)
        self.assertTrue(self.written() == self.file.data)
        self.assertEqual(os.listdir(self.node.path(FOLDER)), ["file"])

    @deadline(60)
    def test_a_forced_hard_link_is_one(self):
        """The node's /var, where the store is, and /tmp are two mounts."""
        code, text, _ = self.download(field(OUTPUT_PATH, "/var/tmp/file"), flag(FORCE_HARD_LINK))
        self.assertEqual(code, grpc.StatusCode.OK, text)
        store = self.daemons["node1"].stored_files()[0][1]
        self.assertTrue(os.path.samefile(store, self.node.path("/var/tmp/file")))
        code, text, _ = self.download(field(OUTPUT_PATH, FOLDER + "/file"), flag(FORCE_HARD_LINK))
        self.assertNotEqual(code, grpc.StatusCode.OK)
        self.assertIn("cannot link", text)
        self.assertIsNone(self.written())

    @deadline(60)
    def test_content_comes_with_the_pieces(self):
        for local in (True, False):
            code, text, messages = self.download(flag(NEED_PIECE_CONTENT), local=local)
            self.assertEqual(code, grpc.StatusCode.OK, text)
            self.assertIsNotNone(first_field(messages[0], STARTED))
            pieces = [first_field(first_field(message, PIECE_FINISHED), 1) for message in messages[1:]]
            contents = sorted(first_field(piece, 6) for piece in pieces)
            wanted = sorted(self.file.data[at : at + 4 * MIB] for at in range(0, SIZE, 4 * MIB))
            self.assertTrue(contents == wanted)

    @deadline(60)
    def test_an_origins_refusal_comes_with_its_status(self):
        code, text, _ = self.download(url=self.origin.url + "/nowhere")
        self.assertEqual(code, grpc.StatusCode.INTERNAL)
        self.assertIn("404", text)

    @deadline(90)
    def test_what_is_deleted_is_no_parent_any_more(self):
        code, text, messages = self.download(local=False)
        self.assertEqual(code, grpc.StatusCode.OK, text)
        task_id = first_field(messages[0], 2).decode()
        code, task = self.ask("StatTask", task_id)
        self.assertEqual((code, first_field(task, 1).decode()), (grpc.StatusCode.OK, task_id))
        self.assertEqual(self.ask("StatLocalTask", task_id, local=False)[0], grpc.StatusCode.OK)
        self.assertIn(task_id.encode(), self.ask("ListLocalTasks", "")[1])
        self.assertEqual(self.ask("DeleteTask", task_id, local=False)[0], grpc.StatusCode.OK)
        self.assertFalse([path for _, path in self.daemons["node1"].stored_files() if task_id in path])
        self.assertEqual(self.ask("DeleteTask", task_id)[0], grpc.StatusCode.NOT_FOUND)
        self.assertEqual(self.ask("StatLocalTask", task_id)[0], grpc.StatusCode.NOT_FOUND)
        get = [self.daemons["node2"].darter, "get", self.url, "-O", "/tmp/file"]
        self.daemons["node2"].node.enter(*get)
        self.assertEqual(self.from_origin(self.file, "node2"), SIZE)
        self.assertEqual(self.from_peers("node2"), 0)
        self.expect_idle()
