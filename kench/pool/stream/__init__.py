"""The journal over NATS JetStream: what a front publishes, and how it is read again."""
