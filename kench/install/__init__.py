"""Laying the files of deploy/ out on a machine, again and again, without losing what was edited."""
