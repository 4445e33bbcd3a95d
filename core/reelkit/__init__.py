"""reelkit: upload a video and it is playable at once. These names are public; plugins import nothing else."""

from reelkit.hookspecs import HealthCheck, Provides, hookimpl
from reelkit.problems import Problem
from reelkit.site import Site

__all__ = ["HealthCheck", "Problem", "Provides", "Site", "hookimpl"]
