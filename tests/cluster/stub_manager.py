"""A manager of this process, as far as schedulers and daemons see one: it knows the schedulers that made themselves known,
holds those for active that keep a stream open, and ranks clusters by what a test says."""

import json
import threading

from lab.cri import field, varint
from lab.recording import Server, fields, get

PORT = 65003
SERVICE = "/manager.v2.Manager/"


def number(at, value):
    return varint(at << 3) + varint(value)


def text(message, at):
    return get(message, at, default=b"").decode()


class Scheduler:
    """One that made itself known."""

    def __init__(self, request):
        self.hostname, self.ip = text(request, 2), text(request, 6)
        self.cluster, self.port = get(request, 3), get(request, 7)
        self.features = [value.decode() for at, value in fields(request) if at == 8]
        self.config = json.loads(get(request, 9))
        self.streams = 0  # open
        self.beats = 0


class Manager:
    """`ranks` are the ids of the clusters in the order for a daemon, by its IDC; `limits` those of a cluster."""

    def __init__(self, node):
        self.node = node
        self.address = f"{node.ip}:{PORT}"
        self.ranks = {"": [1, 2]}
        self.limits = {}
        self.clients = {}  # client_config by cluster
        self.applications = []  # encoded
        self.lock = threading.Lock()
        self.schedulers = {}  # by hostname, ip and cluster
        self.updates = 0
        self.asked = []  # requests of daemons
        self.server = None

    def start(self):
        with self.node.network():
            methods = {
                SERVICE + "ListSchedulers": self.on_list,
                SERVICE + "UpdateScheduler": self.on_update,
                SERVICE + "GetScheduler": self.on_get,
                SERVICE + "ListApplications": self.on_applications,
                SERVICE + "KeepAlive": self.on_keep_alive,
            }
            self.server = Server(self.address, methods)
        return self

    def stop(self):
        if self.server:
            self.server.close()
        self.server = None

    def active(self, cluster):
        """Host names of a cluster's schedulers that keep a stream open."""
        with self.lock:
            return [each.hostname for each in self.schedulers.values() if each.cluster == cluster and each.streams]

    def encoded(self, scheduler):
        config = json.dumps(self.limits.get(scheduler.cluster, {}))
        cluster = number(1, scheduler.cluster) + field(2, f"cluster-{scheduler.cluster}") + field(4, config)
        cluster += field(5, json.dumps(self.clients.get(scheduler.cluster, {}))) + field(7, "{}")
        message = number(1, 1) + field(2, scheduler.hostname) + field(5, scheduler.ip) + number(6, scheduler.port)
        message += field(7, "active" if scheduler.streams else "inactive") + number(8, scheduler.cluster)
        return message + field(9, cluster) + field(11, json.dumps(scheduler.features))

    def on_list(self, requests, _):
        request = next(requests)
        bound = get(request, 8, default=0)
        with self.lock:
            self.asked.append(request)
            order = [bound] if bound else self.ranks.get(text(request, 4), self.ranks[""])
            found = [
                self.encoded(each)
                for cluster in order
                for each in self.schedulers.values()
                if each.cluster == cluster and (each.streams or bound)
            ]
        yield b"".join(field(1, each) for each in found)

    def on_update(self, requests, _):
        scheduler = Scheduler(next(requests))
        with self.lock:
            self.updates += 1
            key = (scheduler.hostname, scheduler.ip, scheduler.cluster)
            scheduler = self.schedulers.setdefault(key, scheduler)
            answer = self.encoded(scheduler)
        yield answer

    def find(self, request, cluster_at):
        return self.schedulers.get((text(request, 2), text(request, 4), get(request, cluster_at)))

    def on_get(self, requests, _):
        with self.lock:
            scheduler = self.find(next(requests), 3)
            answer = self.encoded(scheduler)
        yield answer

    def on_applications(self, requests, _):
        next(requests)
        yield b"".join(field(1, each) for each in self.applications)

    def on_keep_alive(self, requests, _):
        scheduler = None
        try:
            for request in requests:
                with self.lock:
                    if not scheduler:
                        scheduler = self.find(request, 3)
                        scheduler.streams += 1
                    scheduler.beats += 1
        except Exception:  # pylint: disable=broad-exception-caught
            pass  # it broke off, which grpc says by an exception of its own
        finally:
            with self.lock:
                if scheduler:
                    scheduler.streams -= 1
        yield b""


def application(name, priority, urls=()):
    """An Application with priorities by expression: pairs."""
    of_urls = b"".join(field(2, field(1, regex) + number(2, value)) for regex, value in urls)
    return number(1, 1) + field(2, name) + field(5, number(1, priority) + of_urls)
