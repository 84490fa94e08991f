"""The scheduler's calls for jobs: preheats, and who holds what. Requests are written field by field, as in cri.py."""

import grpc

from .cri import field, varint
from .darter import SCHEDULER_PORT
from .recording import fields
from .wait import until

SCHEDULER, SCHEDULING = "/scheduler.v2.Scheduler/", "/darter.v1.Scheduling/"
# Numbers of the fields of PreheatImageRequest, StatImageRequest, PreheatFileRequest and StatFileRequest.
IMAGE = {"username": 7, "password": 8, "platform": 9, "scope": 10, "ips": 11, "percentage": 12, "count": 13}
IMAGE_STAT = {"username": 7, "password": 8, "platform": 9}
FILE = {"header": 6, "scope": 7, "ips": 8, "percentage": 9, "count": 10}


def texts(message, names):
    """A message of texts and flags as a dict."""
    result = dict.fromkeys(names.values(), "")
    for number, value in fields(message):
        if number in names:
            result[names[number]] = value.decode() if isinstance(value, bytes) else value
    return result


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.text = error.details()


class Jobs:
    """What one scheduler is asked."""

    number = 0

    def __init__(self, scheduler, credentials=None):
        self.scheduler = scheduler
        self.credentials = credentials
        self.early = 0  # preheats refused since the scheduler was just started

    def call(self, method, request, preheat=None, seconds=30):
        place = f"{self.scheduler.node.ip}:{SCHEDULER_PORT}"
        metadata = [("x-darter-preheat", preheat)] if preheat else []
        options = [("grpc.use_local_subchannel_pool", 1)]
        secure = self.credentials
        with grpc.secure_channel(place, secure, options) if secure else grpc.insecure_channel(place, options) as channel:
            ask = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
            try:
                return ask(request, timeout=seconds, wait_for_ready=True, metadata=metadata)
            except grpc.RpcError as error:
                raise Refused(error) from None

    @staticmethod
    def request(url, numbers, wishes):
        message = field(1, url)
        for name, value in wishes.items():
            for one in value if isinstance(value, list) else [value]:
                message += varint(numbers[name] << 3) + varint(one) if isinstance(one, int) else field(numbers[name], one)
        return message

    def begin(self, method, url, numbers, wishes, preheat=None):
        """Begins a preheat; returns its id. A scheduler that was just started is asked until it knows its hosts."""
        Jobs.number += 1
        name = preheat or f"preheat-{Jobs.number}"

        def begun():
            try:
                self.call(SCHEDULER + method, self.request(url, numbers, wishes), name)
            except Refused as refused:
                if "was just started" not in refused.text:
                    raise
                self.early += 1
                return False
            return True

        until(20, f"{name} begins", begun)
        return name

    def begin_image(self, url, preheat=None, **wishes):
        return self.begin("PreheatImage", url, IMAGE, wishes, preheat)

    def begin_file(self, url, preheat=None, **wishes):
        return self.begin("PreheatFile", url, FILE, wishes, preheat)

    def progress(self, name):
        """{"ended", "error", "rows": [{"url", "hostname", "ip", "state", "description"}]}"""
        names = {1: "url", 2: "hostname", 3: "ip", 4: "state", 5: "description"}
        result = {"ended": False, "error": "", "rows": []}
        for number, value in fields(self.call(SCHEDULING + "StatPreheat", field(1, name))):
            if number == 3:
                result["rows"].append(texts(value, names))
            elif number < 3:
                result["ended" if number == 1 else "error"] = bool(value) if number == 1 else value.decode()
        return result

    def wait(self, name, seconds=30):
        """The progress of one that has ended."""
        last = {}

        def ended():
            last.update(self.progress(name))
            return last["ended"]

        until(seconds, f"preheat {name} ends", ended)
        return last

    def stat_image(self, url, **wishes):
        """(URLs of the layers, {hostname: {URL: whether it is whole}})"""
        answer = fields(self.call(SCHEDULER + "StatImage", self.request(url, IMAGE_STAT, wishes)))
        layers = [layer["url"] for number, image in answer if number == 1 for layer in self._objects(image, 1)]
        return layers, self._peers(answer, 2)

    def stat_file(self, url):
        return self._peers(fields(self.call(SCHEDULER + "StatFile", field(1, url))), 1)

    @staticmethod
    def _objects(message, wanted):
        return [texts(value, {1: "url", 2: "finished"}) for number, value in fields(message) if number == wanted]

    def _peers(self, answer, wanted):
        peers = {}
        for number, peer in answer:
            if number == wanted:
                objects = self._objects(peer, 3)
                peers[texts(peer, {2: "hostname"})["hostname"]] = {o["url"]: bool(o["finished"]) for o in objects}
        return peers

    def hosts(self, method, task_id):
        """FindTask or DropTask: {hostname: {"id", "ip", "type", "finished", "error"}}"""
        names = {1: "id", 2: "hostname", 3: "ip", 4: "type", 7: "finished", 8: "error"}
        found = [texts(value, names) for _, value in fields(self.call(SCHEDULING + method, field(1, task_id)))]
        return {host["hostname"]: host for host in found}
