"""RPC methods of mining: templates, blocks, and what the development node adds."""

from collections.abc import Mapping
from typing import Any

from kench.node.answers import NETWORK
from kench.node.chain import Chain
from kench.node.chain_methods import hash_argument
from kench.node.kernel import BlockUndecodableError
from kench.node.mining import BlockMaker
from kench.node.proposal import HasTransactionsError, judge_proposal
from kench.node.rpc import Code, Method, Parameter, RpcError
from kench.node.template import TemplateMaker
from kench.pool.address import InvalidAddressError, script_of

LONGPOLL_S = 60.0
"""A long poll is answered after this time though nothing changed (B4)."""
TRIES_MAX = 1_000_000
"""Hashes that generatetoaddress tries at most, as in Core."""
BLOCKS_MAX = 10_000
"""Blocks that one generatetoaddress makes at most: the call is answered when all are made."""


class MiningMethods:
    """getblocktemplate and its kin."""

    def __init__(self, chain: Chain, templates: TemplateMaker) -> None:
        self._chain = chain
        self._templates = templates
        self._maker = BlockMaker(chain, templates)

    def methods(self) -> Mapping[str, Method]:
        """Table of these methods."""
        ignored = Parameter("dummy", (str,), required=False)
        return {
            "getblocktemplate": Method(
                self.getblocktemplate, (Parameter("template_request", (dict,)),)
            ),
            "submitblock": Method(self.submitblock, (Parameter("hexdata", (str,)), ignored)),
            "generatetoaddress": Method(
                self.generatetoaddress,
                (
                    Parameter("nblocks", (int,)),
                    Parameter("address", (str,)),
                    Parameter("maxtries", (int,), required=False, default=TRIES_MAX),
                ),
            ),
        }

    def getblocktemplate(self, request: dict[str, Any]) -> Any:
        """Make a template, now or at the next tip (BIP22), or judge a proposal (BIP23)."""
        mode = request.get("mode", "template")
        if mode == "proposal":
            return self._judge_proposal(request)
        if mode not in (None, "template"):
            raise RpcError(Code.INVALID_PARAMETER, "Invalid mode")
        longpollid = request.get("longpollid")
        if longpollid is not None:
            self._wait_for_change(longpollid)
        rules = request.get("rules")
        if not isinstance(rules, list) or "segwit" not in rules:
            raise RpcError(
                Code.INVALID_PARAMETER,
                "getblocktemplate must be called with the segwit rule set "
                '(call with {"rules": ["segwit"]})',
            )
        return self._templates.template()

    def _wait_for_change(self, longpollid: object) -> None:
        if isinstance(longpollid, str):
            watched = hash_argument(longpollid[:64], "longpollid")
        else:
            watched = self._chain.tip.hash
        self._chain.wait_for_tip_other_than(watched, LONGPOLL_S)
        if self._chain.closing:
            raise RpcError(Code.NOT_CONNECTED, "Shutting down")

    def _judge_proposal(self, request: dict[str, Any]) -> str | None:
        data = request.get("data")
        if not isinstance(data, str):
            raise RpcError(Code.TYPE, "Missing data String key for proposal")
        try:
            with self._chain.kernel.steady():
                return judge_proposal(self._chain, self._templates, block_argument(data))
        except BlockUndecodableError:
            raise RpcError(Code.DESERIALIZATION, "Block decode failed") from None
        except HasTransactionsError:
            raise RpcError(
                Code.MISC,
                "the development node judges proposals of a coinbase alone, as its templates are",
            ) from None

    def submitblock(self, hexdata: str, _dummy: str | None) -> str | None:
        """Judge a block and take it in: None, or why not (BIP22, B14)."""
        try:
            return self._chain.submit(block_argument(hexdata))
        except BlockUndecodableError:
            raise RpcError(Code.DESERIALIZATION, "Block decode failed") from None

    def generatetoaddress(self, blocks: int, address: str, tries_max: int) -> list[str]:
        """Mine blocks at the network's own target and return their hashes."""
        try:
            script = script_of(address, NETWORK)
        except InvalidAddressError:
            raise RpcError(Code.INVALID_ADDRESS_OR_KEY, "Error: Invalid address") from None
        if blocks > BLOCKS_MAX:
            raise RpcError(Code.INVALID_PARAMETER, f"at most {BLOCKS_MAX} blocks in one call")
        hashes: list[str] = []
        tries = 0
        # Another's block on the same height costs a try; a miner that never wins ends too.
        while len(hashes) < blocks and tries < 2 * blocks + 16 and not self._chain.closing:
            tries += 1
            mined = self._maker.mine(script, tries_max)
            if mined is not None:
                hashes.append(mined)
        return hashes


def block_argument(hexdata: str) -> bytes:
    """Bytes of a block in hex; raises BlockUndecodableError."""
    try:
        return bytes.fromhex(hexdata)
    except ValueError:
        raise BlockUndecodableError from None
