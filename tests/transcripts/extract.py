#!/usr/bin/env python3
"""Turns packet captures of Dragonfly's parts into the text fixtures of this folder (format: README.md).

    extract.py OUTPUT-FOLDER CAPTURE.pcap...

Captures whose names share what stands before the first '-' make one set with one clock; a connection that
several of them saw is written once, from the capture that has most of it. Needs tshark.
"""

import hashlib
import os
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as xml
import zlib

GRPC_PORTS = {8002: "scheduler", 65003: "manager", 4000: "daemon"}
DOWNLOAD_PORT = 4999  # a daemon's unix socket, led through TCP for the capture
VORTEX_PORT = 4005
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
LINES = re.compile(rb"(?:\d{15}\n)+\d{0,15}")  # of the object
SPLICED = 1024  # bytes of a message that may hold content
HEADER_NAMES = {":method", ":path", ":status", "content-type", "te", "user-agent", "grpc-timeout", "grpc-status",
                "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding"}


def tshark(capture, *arguments):
    command = ["tshark", "-r", capture]
    for port in GRPC_PORTS:
        command += ["-d", f"tcp.port=={port},http2"]
    return subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def address(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def escape(value):
    """Header values on one line: blanks and '%' as %XX, all else as it is."""
    return "".join(f"%{byte:02X}" if byte <= 32 or byte >= 127 or byte == 37 else chr(byte) for byte in value)


def message_text(message):
    """Kind and text of a message; what it holds of the object stands there as OFFSET+LENGTH."""
    found = LINES.search(message) if len(message) >= SPLICED else None
    if not found:
        return "message", message.hex() or "-"
    begin, offset = found.start(), 16 * int(found.group()[:15])
    length = len(found.group())
    lines = "".join(f"{n:015}\n" for n in range(offset // 16, (offset + length) // 16 + 1)).encode()
    while lines[:length] != message[begin:begin + length]:
        length -= 1
    return "spliced", f"{message[:begin].hex()} {offset}+{length} {message[begin + length:].hex()}".rstrip()


class Connection:
    """The events of one connection, in the order in which they were seen."""

    def __init__(self, client, server, service):
        self.client, self.server, self.service = client, server, service
        self.events = []  # (seconds, stream, '<' or '>', kind, text)
        self.weight = 0
        self.bytes = {}  # '<' or '>' -> all of that direction, of gRPC
        self.partial = {}  # (stream, direction) -> bytes of an unfinished message
        self.answered = set()  # (stream, direction) whose headers were seen: the next are trailers

    def add(self, when, stream, way, kind, text=""):
        self.events.append((when, stream, way, kind, text))

    def add_data(self, when, stream, way, data):
        data = self.partial.get((stream, way), b"") + data
        while len(data) >= 5:
            compressed, length = struct.unpack(">BI", data[:5])
            assert compressed == 0, "compressed message"
            if len(data) < 5 + length:
                break
            self.add(when, stream, way, *message_text(data[5:5 + length]))
            data = data[5 + length:]
        self.partial[(stream, way)] = data


def field(element, name):
    return next((child for child in element.iter("field") if child.get("name") == name), None)


def number(element, name):
    found = field(element, name)
    return int(found.get("show"), 0) if found is not None else None


def add_headers(connection, when, stream, way, frame):
    pairs = []
    for header in frame.iter("field"):
        if header.get("name") != "http2.header":
            continue
        name, value = field(header, "http2.header.name"), field(header, "http2.header.value")
        if name is None or name.get("show") not in HEADER_NAMES:
            continue
        pairs.append(f"{name.get('show')}={escape(bytes.fromhex(value.get('value') or ''))}")
    again = (stream, way) in connection.answered
    connection.answered.add((stream, way))
    connection.add(when, stream, way, "trailers" if again else "headers", " ".join(pairs))


def add_frame(connection, when, way, frame):
    kind, stream = number(frame, "http2.type"), number(frame, "http2.streamid")
    flags = number(frame, "http2.flags") or 0
    if kind == HEADERS:
        add_headers(connection, when, stream, way, frame)
    elif kind == DATA:
        data = field(frame, "http2.data.data")
        connection.add_data(when, stream, way, bytes.fromhex(data.get("value") or "") if data is not None else b"")
    elif kind == RST_STREAM:
        connection.add(when, stream, way, "reset", str(number(frame, "http2.rst_stream.error")))
    elif kind == GOAWAY:
        connection.add(when, 0, way, "goaway", str(number(frame, "http2.goaway.error")))
    if kind in (HEADERS, DATA) and flags & 1:
        connection.add(when, stream, way, "end")


def read_grpc(capture):
    """All gRPC connections of a capture, by (client, server)."""
    connections = {}
    pipe = tshark(capture, "-Y", f"http2 && !tcp.port=={VORTEX_PORT} && !tcp.port=={DOWNLOAD_PORT}", "-T", "pdml")
    for _, packet in xml.iterparse(pipe.stdout):
        if packet.tag != "packet":
            continue
        when = float(field(next(p for p in packet if p.get("name") == "frame"), "frame.time_epoch").get("show"))
        ip = next(p for p in packet if p.get("name") == "ip")
        tcp = next(p for p in packet if p.get("name") == "tcp")
        source = (field(ip, "ip.src").get("show"), number(tcp, "tcp.srcport"))
        target = (field(ip, "ip.dst").get("show"), number(tcp, "tcp.dstport"))
        way = ">" if target[1] in GRPC_PORTS else "<"
        client, server = (source, target) if way == ">" else (target, source)
        key = (address(*client), address(*server))
        connection = connections.setdefault(key, Connection(*key, GRPC_PORTS[server[1]]))
        for proto in packet:
            if proto.get("name") == "http2":
                for frame in proto.findall("field"):
                    if frame.get("name") == "http2.stream":
                        connection.weight += 1
                        add_frame(connection, when, way, frame)
        packet.clear()
    return connections


def read_segments(capture, ports):
    """Bytes of the connections to these ports: (client, server) -> way -> list of (when, sequence, bytes, fin)."""
    names = ["frame.time_epoch", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq", "tcp.flags.fin",
             "tcp.payload"]
    arguments = [part for name in names for part in ("-e", name)]
    wanted = " || ".join(f"tcp.port=={port}" for port in ports)
    pipe = tshark(capture, "-Y", wanted, "-T", "fields", *arguments)
    result = {}
    for line in pipe.stdout:
        when, src, sport, dst, dport, sequence, fin, payload = line.decode().rstrip("\n").split("\t")
        way = ">" if int(dport) in ports else "<"
        source, target = address(src, sport), address(dst, dport)
        key = (source, target) if way == ">" else (target, source)
        ways = result.setdefault(key, {">": [], "<": []})
        ways[way].append((float(when), int(sequence), bytes.fromhex(payload), fin in ("1", "True")))
    return result


def reassemble(segments):
    """One direction: its bytes, the time at which each was first seen as [(when, end)], and the time of FIN."""
    data, arrivals, finished = b"", [], None
    for when, sequence, payload, fin in sorted(segments, key=lambda s: s[1]):
        offset = sequence - 1  # tshark counts from the SYN
        if payload and offset + len(payload) > len(data):
            assert offset <= len(data), "hole in the capture"
            data += payload[len(data) - offset:]
            arrivals.append((when, len(data)))
        if fin:
            finished = when
    return data, arrivals, finished


def arrival(arrivals, position):
    return next(when for when, end in arrivals if end >= position)


def vortex_connection(key, ways):
    connection = Connection(*key, "vortex")
    request, request_times, request_fin = reassemble(ways[">"])
    reply, reply_times, reply_fin = reassemble(ways["<"])
    connection.weight = len(request) + len(reply)
    if request:
        connection.add(arrival(request_times, len(request)), 0, ">", "request", request.hex())
    if reply:
        head = 6 + struct.unpack(">I", reply[2:6])[0]
        body = reply[head:]
        connection.add(arrival(reply_times, head), 0, "<", "reply", reply[:head].hex())
        facts = f"{len(body)} crc32:{zlib.crc32(body)} sha256:{hashlib.sha256(body).hexdigest()} {body[:32].hex()}"
        connection.add(arrival(reply_times, len(reply)), 0, "<", "content", facts)
    for way, when in ((">", request_fin), ("<", reply_fin)):
        if when is not None:
            connection.add(when, 0, way, "end")
    connection.events.sort(key=lambda event: event[0])
    return connection


def download_connection(key, ways):
    """A tool's call on a daemon's socket. tshark takes minutes over messages with content, so the frames are read here,
    without their headers: what was called and how it ended is not told."""
    connection = Connection(*key, "download")
    for way in (">", "<"):
        data, times, _ = reassemble(ways[way])
        at = len(PREFACE) if way == ">" else 0
        while at + 9 <= len(data):
            length, kind, flags = int.from_bytes(data[at:at + 3], "big"), data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5:at + 9], "big")
            when = arrival(times, at + 9 + length)
            if kind == DATA:
                connection.add_data(when, stream, way, data[at + 9:at + 9 + length])
            if kind in (HEADERS, DATA) and flags & 1:
                connection.add(when, stream, way, "end")
            at += 9 + length
    connection.weight = len(connection.events)
    connection.events.sort(key=lambda event: event[0])
    return connection


def add_bytes(connection, ways):
    """The connection as it was on the wire, for one that begins in the capture."""
    for way in (">", "<"):
        connection.bytes[way] = reassemble(ways[way])[0]


def write_bytes(folder, name, connections):
    """The same connections as bytes."""
    with open(os.path.join(folder, name), "w", encoding="ascii") as out:
        for connection in sorted(connections, key=lambda c: c.events[0][0]):
            print(f"connection {connection.client} {connection.server}", file=out)
            for way in (">", "<"):
                print(f"0 0 {way} bytes {connection.bytes[way].hex()}", file=out)


def write(folder, name, connections, start):
    """One file for each service of a set."""
    with open(os.path.join(folder, name), "w", encoding="ascii") as out:
        for connection in sorted(connections, key=lambda c: c.events[0][0]):
            print(f"connection {connection.client} {connection.server}", file=out)
            for when, stream, way, kind, text in connection.events:
                print(f"{round((when - start) * 1e6)} {stream} {way} {kind} {text}".rstrip(), file=out)


def main():
    folder, captures = sys.argv[1], sys.argv[2:]
    sets = {}
    for capture in captures:
        best = sets.setdefault(os.path.basename(capture).split("-")[0], {})
        seen = dict(read_grpc(capture))
        for key, ways in read_segments(capture, GRPC_PORTS).items():
            if key in seen:
                add_bytes(seen[key], ways)
        seen.update({key: vortex_connection(key, ways) for key, ways in read_segments(capture, [VORTEX_PORT]).items()})
        downloads = read_segments(capture, [DOWNLOAD_PORT])
        seen.update({key: download_connection(key, ways) for key, ways in downloads.items()})
        for key, connection in seen.items():
            assert not any(connection.partial.values()), "message cut off"
            if connection.events and (key not in best or best[key].weight < connection.weight):
                best[key] = connection
    for name, best in sets.items():
        start = min(connection.events[0][0] for connection in best.values())
        for service in sorted({connection.service for connection in best.values()}):
            connections = [c for c in best.values() if c.service == service]
            write(folder, f"{name}-{service}.txt", connections, start)
            if service not in ("vortex", "download"):
                write_bytes(folder, f"{name}-{service}-bytes.txt", connections)


if __name__ == "__main__":
    main()
