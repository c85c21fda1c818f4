"""The officers' desk: queues, the trail's seals, what officers decide from."""
