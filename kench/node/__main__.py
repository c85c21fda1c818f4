"""Composition root of `kench node`: the development node, regtest only."""

import os
import signal
import threading

from kench.node.chain import Chain
from kench.node.chain_methods import ChainMethods
from kench.node.cookie import remove_cookie, write_cookie
from kench.node.kernel import ChainFolderError
from kench.node.mining_methods import MiningMethods
from kench.node.node_methods import NodeMethods
from kench.node.publisher import TipPublisher
from kench.node.rpc import Dispatcher
from kench.node.server import RpcServer
from kench.node.template import TemplateMaker
from kench.pool.clock import SystemClock
from kench.pool.roots import announce, command, run_root, settings_of

ROLE = "node"
RPC_PORT = 18_443
ZMQ_PORT = 28_332
CHAIN_FOLDER = "chain"


def main() -> None:
    """Serve until SIGTERM, SIGINT or the RPC `stop`."""
    parser = command(
        ROLE,
        "Run the development node: Bitcoin Core's consensus code and RPC, regtest only.",
        example="kench node --data ./data --rpc-port 18443 --zmq-port 28332",
    )
    parser.add_argument("--rpc-host", default="127.0.0.1", metavar="HOST", help="address of RPC")
    parser.add_argument("--rpc-port", type=int, default=RPC_PORT, metavar="N", help="0: any free")
    parser.add_argument("--zmq-port", type=int, default=ZMQ_PORT, metavar="N", help="0: any free")
    parser.add_argument(
        "--block-difficulty",
        type=float,
        metavar="D",
        help="templates ask for blocks at least this difficult; 0: the network's own difficulty",
    )
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    stop = threading.Event()
    faults: list[str] = []

    def stop_on_fault(message: str) -> None:
        faults.append(message)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    folder = settings.node_directory
    clock = SystemClock()
    server = RpcServer(arguments.rpc_host, arguments.rpc_port)
    publisher = TipPublisher(arguments.rpc_host, arguments.zmq_port)
    chain = Chain(folder / CHAIN_FOLDER, lambda tip: publisher.publish(tip.hash), stop_on_fault)
    templates = TemplateMaker(chain, clock, settings.block_difficulty)
    dispatcher = Dispatcher(
        {
            **ChainMethods(chain, clock).methods(),
            **MiningMethods(chain, templates).methods(),
            **NodeMethods(clock, stop.set).methods(),
        }
    )
    try:
        server.serve(dispatcher, _named_credentials() or write_cookie(folder))
        announce(ROLE, f"rpc http://{arguments.rpc_host}:{server.port} zmq {publisher.endpoint}")
        announce(ROLE, "ready")
        stop.wait()
    finally:
        chain.release_waiters()
        server.stop()
        chain.close()
        publisher.close()
        remove_cookie(folder)
    if faults:
        raise ChainFolderError(
            f"the chain in {folder} can no longer be written ({faults[0]}): make room on that disk"
        )


def _named_credentials() -> str | None:
    """User and password that the environment names instead of a cookie."""
    user = os.environ.get("KENCH_NODE_RPC_USER")
    password = os.environ.get("KENCH_NODE_RPC_PASSWORD")
    return f"{user}:{password}" if user and password else None


if __name__ == "__main__":
    run_root(ROLE, main)
