"""Journal shipping: a front's journal goes to a standby, as it is written or soon after."""

from kench.pool.shipping.frames import ShippingError
from kench.pool.shipping.generation import ReplacedError
from kench.pool.shipping.shipper import Policy, Shipper

__all__ = ["Policy", "ReplacedError", "Shipper", "ShippingError"]
