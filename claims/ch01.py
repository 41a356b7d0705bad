"""Chapter 1: the network that cheats by a mark in the corner."""

from claims.table import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
