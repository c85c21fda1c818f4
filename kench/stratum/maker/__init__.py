"""The job maker: one process asks the nodes, makes the jobs and looks after the fronts."""
