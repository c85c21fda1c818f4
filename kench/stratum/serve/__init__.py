"""The front process: run by the job maker, it serves miners."""
