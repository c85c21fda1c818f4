"""Messages of the authorised body to one participant, and what the participant answers."""
