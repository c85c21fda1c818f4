"""What machines of one pool say to each other through a NATS cluster; needs `nats_urls`."""
