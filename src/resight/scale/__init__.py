"""Past one machine: photos embedded by the workers of a Ray cluster.

Ray is imported only here, and only inside the functions that need it.
"""

from resight.scale.ray_engine import RayEngine

__all__ = ["RayEngine"]
