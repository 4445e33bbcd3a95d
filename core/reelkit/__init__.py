"""reelkit: upload a video and it is playable at once. These names are public; plugins import nothing else."""

from reelkit.hookspecs import HealthCheck, Provides, hookimpl
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail
from reelkit.problems import Problem
from reelkit.site import Site

__all__ = ["INPUT_OPTIONS", "Confinement", "HealthCheck", "Problem", "Provides", "Site", "confined", "hookimpl", "tail"]
