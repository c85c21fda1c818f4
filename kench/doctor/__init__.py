"""The doctor: looks at a machine and its services, says what to change, changes nothing."""
