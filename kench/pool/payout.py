"""Where a block's reward goes: the coinbase's outputs for a template."""

from collections.abc import Callable, Sequence

from kench.pool.address import burn_address, script_of
from kench.pool.coinbase import Output
from kench.pool.errors import KenchError
from kench.pool.template import Template


class PayoutUnknownError(KenchError):
    """No address to pay, or none that this network knows."""


class PayoutTo:
    """Pays the whole of each block to one address of the network that the nodes are on."""

    def __init__(self, address: str | None, network: Callable[[], str | None]) -> None:
        self._address = address
        self._network = network

    def outputs(self, template: Template) -> Sequence[Output]:
        """Return what a block on `template` pays; the sum is all that it may (B9).

        Raises PayoutUnknownError without an address (regtest takes an unspendable one), and
        InvalidAddressError for one of another network.
        """
        network = self._network()
        if network is None:
            raise PayoutUnknownError("no node has named its network yet")
        address = self._address
        if address is None:
            if network != "regtest":
                raise PayoutUnknownError(
                    f"blocks on {network} need an address to pay: set KENCH_PAYOUT_ADDRESS"
                )
            address = burn_address(network)
        return (Output(script_of(address, network), template.coinbase_value_sat),)
