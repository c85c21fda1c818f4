"""Messages of the authorised body to one participant, its answers, and circulars to many."""
