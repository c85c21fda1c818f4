"""File descriptors: as many as the connections need, or the bound that there really is."""

import resource

# What the process opens beside miners' sockets: journal, database, nodes, metrics, libraries.
RESERVED = 256


def room_for(connections_max: int) -> int:
    """Raise the soft limit of open files as far as needed; return how many connections fit.

    Beyond it the kernel would refuse sockets in the midst of accepting, and the journal its files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + RESERVED
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(connections_max, wanted - RESERVED)
