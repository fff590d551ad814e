"""A lock file for model choice, with the evidence behind every line of it.

    async with Router.open("routes.yaml") as router:
        routed = await router.route("My card was charged twice", task_class="ticket")

Errors are those of `routerctl.errors`; what a person should hear goes to the logger `routerctl` (`routerctl.notices`).
"""

from routerctl.version import __version__

TYPE_CHECKING = False  # typing is not imported just to ask
if TYPE_CHECKING:
    from routerctl.routing.route import Routed
    from routerctl.routing.router import Explanation, Router

__all__ = ["Explanation", "Routed", "Router", "__version__"]


def __getattr__(name: str) -> object:
    """Load the router when it is asked for: importing the package loads nothing."""
    if name in ("Explanation", "Router"):
        from routerctl.routing import router

        return getattr(router, name)
    if name == "Routed":
        from routerctl.routing.route import Routed

        return Routed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
