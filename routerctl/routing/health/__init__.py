"""Who is well: the health of every place (provider and model), as all processes of a project see it.

It keeps and shares; others call.
"""

from routerctl.routing.health.registry import Health, PlaceStatus
from routerctl.types import PlaceKey
