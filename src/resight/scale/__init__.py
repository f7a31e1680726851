"""Past one machine: photos embedded by the workers of a Ray cluster.

Ray is imported only here, and only inside the functions that need it.
"""

from resight.scale.ray_engine import RayEngine
from resight.scale.remote import remote_photos

__all__ = ["RayEngine", "remote_photos"]
