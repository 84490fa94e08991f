"""The framework itself: what the other tests rely on, proven without Darter."""

import os
import time

from fixture import MIB, Download, LabTest, deadline, until
from lab.crossing import Crossing
from lab.darter import Metrics, yaml
from lab.image import Blob, Image, file_sha256, write_json
from lab.origin import Fault, Origin
from lab.registry import Registry, blob_bytes
from lab.wait import DeadlineExceeded


class LabItself(LabTest):
    def setUp(self):
        super().setUp()
        self.client = self.lab.node("client", 21)
        self.origin = Origin(self.lab, self.lab.node("origin", 10))
        self.addCleanup(self.origin.close)
        self.file = self.origin.add(1, 4 * MIB)

    def fetch(self, *headers):
        return Download(self.client, self.origin.url + self.file.path, headers, seconds=20)

    @deadline(20)
    def test_origin_gives_the_right_bytes(self):
        download = self.fetch()
        self.assertEqual(download.wait(10), (0, 200))
        self.assertEqual(file_sha256(download.path), self.file.sha256)
        self.assertEqual(self.origin.sent(self.file, self.client.ip), 4 * MIB)

    @deadline(20)
    def test_origin_serves_ranges_and_ignores_them_when_told(self):
        part = self.fetch("Range: bytes=1000-1999")
        self.assertEqual(part.wait(10), (0, 206))
        with open(part.path, "rb") as got:
            self.assertEqual(got.read(), self.file.data[1000:2000])
        self.origin.misbehave(Fault(ignore_range=True))
        whole = self.fetch("Range: bytes=1000-1999")
        self.assertEqual(whole.wait(10), (0, 200))
        self.assertEqual(whole.size(), 4 * MIB)

    @deadline(20)
    def test_origin_fails_as_told_and_no_longer_than_told(self):
        self.origin.misbehave(Fault(status=500, times=1))
        self.assertEqual(self.fetch().wait(10), (0, 500))
        self.origin.misbehave(Fault(close=MIB, times=1))
        broken = self.fetch()
        self.assertEqual(broken.wait(10), (18, 200))
        self.assertEqual(broken.size(), MIB)
        self.assertEqual(self.fetch().wait(10), (0, 200))

    @deadline(20)
    def test_origin_stalls_until_released(self):
        fault = self.origin.misbehave(Fault(stall=MIB))
        download = self.fetch()
        download.wait_size(MIB - (64 << 10), 10)  # curl keeps the last few KiB to itself
        self.assertTrue(fault.met.wait(10))
        self.assertTrue(download.process.alive())
        fault.release()
        self.assertEqual(download.wait(10), (0, 200))

    @deadline(20)
    def test_what_crosses_between_two_groups_is_counted(self):
        crossing = Crossing("10.89.0.8/30", "10.89.0.20/30")  # of the origin, of the client
        other = Crossing("10.89.0.8/30", "10.89.0.32/30")
        self.addCleanup(crossing.close)
        self.addCleanup(other.close)
        self.assertEqual(crossing.packets(), 0)
        self.assertEqual(self.fetch().wait(10), (0, 200))
        self.assertGreater(crossing.packets(), 100)
        self.assertEqual(other.packets(), 0)

    @deadline(20)
    def test_processes_are_frozen_killed_and_stopped(self):
        process = self.client.start("counter", "bash", "-c", "while :; do echo x; read -rt 0.01 <> <(:) || :; done")
        until(5, "output", lambda: os.path.getsize(process.log) > 100)
        process.freeze()
        until(5, "stopped", lambda: self._state(process) == "T")
        process.thaw()
        self.assertNotEqual(process.stop(5), 0)
        self.assertEqual(self.client.start("long", "sleep", "1000").kill(), -9)

    @staticmethod
    def _state(process):
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    @deadline(20)
    def test_waiting_ends_at_its_deadline(self):
        start = time.monotonic()
        with self.assertRaises(DeadlineExceeded):
            until(0.2, "never", lambda: False)
        self.assertGreaterEqual(time.monotonic() - start, 0.2)

    @deadline(40)
    def test_registry_says_what_it_served_to_whom(self):
        registry = Registry(self.lab, self.lab.node("registry", 12), "registry.test")
        layer = os.path.join(self.lab.folder, "layer")
        with open(layer, "wb") as file:
            file.write(self.file.data)
        blob = Blob(layer, "application/octet-stream")
        config = Blob(write_json(layer + ".config", {}), "application/vnd.oci.image.config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
        manifest.update(config=config.descriptor(), layers=[blob.descriptor()])
        image = Image(Blob(write_json(layer + ".manifest", manifest), manifest["mediaType"]), config, [blob])
        self.assertEqual(registry.push(image, "test", "1"), "registry.test:5000/test:1")
        mark = registry.mark()
        self.assertEqual(Download(self.client, f"{registry.url}/v2/test/blobs/{blob.digest}").wait(10), (0, 200))
        answers = registry.served_since(mark, 4 * MIB)
        self.assertEqual(blob_bytes(answers, {blob.digest}, self.client.ip), 4 * MIB)
        self.assertEqual(blob_bytes(answers, ip="10.89.0.99"), 0)

    @deadline(10)
    def test_configuration_and_metrics_texts(self):
        text = yaml({"a": {"b": True, "c": [{"d": 1, "e": "x"}]}, "f": ["g"], "h": []})
        self.assertEqual(text, 'a:\n  b: true\n  c:\n    - d: 1\n      e: "x"\nf:\n  - "g"\nh: []\n')
        page = Metrics('# HELP x\nx_total{type="a",t="b c"} 3\nx_total{type="d"} 4 123\ny 1e3\n')
        self.assertEqual(page.total("x_total"), 7)
        self.assertEqual(page.total("x_total", type="a"), 3)
        self.assertEqual(page.by_label("x_total", "type"), {"a": 3, "d": 4})
        self.assertEqual(page.total("y"), 1000)
