"""What is said where a proof does not prove what it says."""

from kench.pool.errors import KenchError


class ProofRefusedError(KenchError):
    """A proof, manifest or file of shares that is not what it should be; says what differs."""
