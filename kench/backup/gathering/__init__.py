"""Gathering: journals of fronts elsewhere, taken from the stream into folders of this machine."""
