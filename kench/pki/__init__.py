"""The development authority: certificates of nobody's for the regtest demo, lists, OCSP answers."""
