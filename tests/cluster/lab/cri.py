"""The few calls of the container runtime interface (runtime.v1) that pulls need, over containerd's socket.

Debian has no crictl. The messages are small, so they are written field by field instead of generated.
"""

import grpc

SERVICE = "/runtime.v1.ImageService/"


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """A length-delimited field: text, bytes or an encoded message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def first_field(message, wanted):
    """The first length-delimited field `wanted` of an encoded message, or None."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        kind = tag & 7
        if kind == 2:
            length = number()
            if tag >> 3 == wanted:
                return message[at : at + length]
            at += length
        elif kind == 0:
            number()
        else:
            at += 8 if kind == 1 else 4
    return None


class PullError(Exception):
    """containerd refused or failed; the text is containerd's."""


class ImageService:
    def __init__(self, socket):
        self.socket = socket

    def _call(self, name, request, seconds):
        with grpc.insecure_channel("unix:" + self.socket) as channel:
            method = channel.unary_unary(SERVICE + name, request_serializer=bytes, response_deserializer=bytes)
            try:
                return method(request, timeout=seconds, wait_for_ready=True)
            except grpc.RpcError as error:
                raise PullError(f"{error.code().name}: {error.details()}") from None

    def pull(self, reference, seconds):
        """PullImage; returns the image's reference by digest."""
        answer = self._call("PullImage", field(1, field(1, reference)), seconds)
        return (first_field(answer, 1) or b"").decode()

    def remove(self, reference, seconds=30):
        self._call("RemoveImage", field(1, field(1, reference)), seconds)

    def ready(self):
        self._call("ListImages", b"", 2)
        return True
