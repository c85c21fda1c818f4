"""One pool of several machines: who makes the jobs, how they come, whose the numbers are."""
