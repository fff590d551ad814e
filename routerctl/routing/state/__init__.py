"""State that all processes of a project share: an SQLite file beside the table, or a Redis server."""

from routerctl.routing.state.base import Change, Documents, StateStore
from routerctl.routing.state.opening import STATE_FILE, open_state
