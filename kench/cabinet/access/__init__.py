"""What others than the participant's people may see: links for watchers, keys for programs."""
