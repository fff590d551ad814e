"""State that all processes of a project share: an SQLite file beside the table, or a Redis server.

Place: the files floor.
"""

from routerctl.state.base import Change, Documents, StateStore
from routerctl.state.opening import STATE_FILE, open_state

__all__ = ["STATE_FILE", "Change", "Documents", "StateStore", "open_state"]
