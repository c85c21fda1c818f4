"""RPC methods about the node itself, and addresses."""

from collections.abc import Callable, Mapping
from typing import Any

from kench import __version__
from kench.node.answers import NETWORK
from kench.node.rpc import Method, Parameter
from kench.pool.address import InvalidAddressError, describe
from kench.pool.clock import Clock

KERNEL_VERSION = 319900
"""Version of Bitcoin Core whose consensus code judges the blocks, as getnetworkinfo spells it."""
PROTOCOL_VERSION = 70016


class NodeMethods:
    """getnetworkinfo and its kin."""

    def __init__(self, clock: Clock, stop: Callable[[], None]) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._stop = stop

    def methods(self) -> Mapping[str, Method]:
        """Table of these methods."""
        return {
            "getnetworkinfo": Method(self.getnetworkinfo),
            "stop": Method(self.stop),
            "uptime": Method(self.uptime),
            "validateaddress": Method(self.validateaddress, (Parameter("address", (str,)),)),
        }

    def getnetworkinfo(self) -> dict[str, Any]:
        """State of a network that has no peers: the development node stands alone."""
        major, minor = divmod(KERNEL_VERSION // 100, 100)
        return {
            "version": KERNEL_VERSION,
            "subversion": f"/Satoshi:{major}.{minor}.0(kench-node:{__version__})/",
            "protocolversion": PROTOCOL_VERSION,
            "localservices": f"{0:016x}",
            "localservicesnames": [],
            "localrelay": False,
            "timeoffset": 0,
            "networkactive": False,
            "connections": 0,
            "connections_in": 0,
            "connections_out": 0,
            "networks": [],
            "relayfee": 0.000001,
            "incrementalfee": 0.000001,
            "localaddresses": [],
            "warnings": [],
        }

    def uptime(self) -> int:
        """Seconds since the start."""
        return int(self._clock.monotonic() - self._started)

    def stop(self) -> str:
        """Stop the node, after this answer."""
        self._stop()
        return "kench node stopping"

    def validateaddress(self, address: str) -> dict[str, Any]:
        """Tell what an address means, or what is wrong with it."""
        try:
            destination = describe(address, NETWORK)
        except InvalidAddressError as error:
            return {"isvalid": False, "error_locations": [], "error": str(error)}
        answer: dict[str, Any] = {
            "isvalid": True,
            "address": address,
            "scriptPubKey": destination.script.hex(),
            "isscript": destination.kind in ("scripthash", "witness_v0_scripthash"),
            "iswitness": destination.witness_version is not None,
        }
        if destination.witness_version is not None:
            answer["witness_version"] = destination.witness_version
            answer["witness_program"] = destination.program.hex()
        return answer
