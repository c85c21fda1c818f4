"""What tests of several parts share: builders and real servers to talk to."""
