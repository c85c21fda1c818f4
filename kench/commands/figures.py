"""Numbers as people read them on a terminal: short, with their units."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


def short_text(number: float) -> str:
    """Write a number in at most four figures and a prefix: `12.3M`."""
    return "".join(_shortened(number))


def hashrate_text(hashes_per_s: float) -> str:
    """Write a hashrate with the prefix that keeps it short: `12.3 MH/s`."""
    figures, prefix = _shortened(hashes_per_s)
    return f"{figures} {prefix}H/s"


def bytes_text(number: int) -> str:
    """Write a number of bytes: `12.3 MB`."""
    figures, prefix = _shortened(number)
    return f"{figures} {prefix}B"


def age_text(seconds: float | None) -> str:
    """Write a time that has passed by its largest unit: `45s`, `12m`, `3h`, `9d`."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def _shortened(number: float) -> tuple[str, str]:
    power = 0
    # What would be rounded up to a thousand is one.
    while number >= 999.5 and power < len(PREFIXES) - 1:
        number /= 1000
        power += 1
    return f"{number:.3g}", PREFIXES[power]
