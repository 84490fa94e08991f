"""Counts what crosses between two groups of nodes: a packet filter in the kernel looks at each packet on the bridge."""

import ctypes
import ipaddress
import socket
import struct

ETH_P_ALL, ETH_P_IP = 0x0003, 0x0800
SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER = 263, 6, 26
LOAD, MASK, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06  # of the classic BPF: ld [k], and #k, jeq #k, ret #k
SOURCE, TARGET = 12, 16  # where an IPv4 header has its addresses
PROTOCOL = 0xFFFFF000  # where the kernel answers a packet's ethertype


def program(left, right):
    """Takes IPv4 packets from one network to the other, either way; the networks have one mask."""
    mask, a, b = int(left.netmask), int(left.network_address), int(right.network_address)
    check_target = [(LOAD, 0, 0, TARGET), (MASK, 0, 0, mask)]
    return [
        (LOAD, 0, 0, PROTOCOL), (EQUAL, 0, 11, ETH_P_IP),
        (LOAD, 0, 0, SOURCE), (MASK, 0, 0, mask), (EQUAL, 0, 3, a),
        *check_target, (EQUAL, 4, 5, b),
        (EQUAL, 0, 4, b),
        *check_target, (EQUAL, 0, 1, a),
        (RETURN, 0, 0, 0xFFFF), (RETURN, 0, 0, 0),
    ]  # fmt: skip


class Crossing:
    """Counts from now on what goes between the networks (as "10.89.0.32/28"), on the bridge of the lab."""

    def __init__(self, left, right):
        steps = b"".join(struct.pack("HBBI", *step) for step in program(*map(ipaddress.ip_network, (left, right))))
        kept = ctypes.create_string_buffer(steps)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(steps) // 8, ctypes.addressof(kept)))
        self._taken()  # what came before the filter was there
        self.seen = 0

    def _taken(self):
        """Packets since the last time; asking forgets them."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]

    def packets(self):
        """How many there were so far; one that passes several interfaces counts at each."""
        self.seen += self._taken()
        return self.seen

    def close(self):
        self.socket.close()
