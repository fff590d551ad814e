"""The pages at `/ui`: what was decided, what it cost, the health of places, and the table.

Read-only, rendered on the server, without scripts. They show what the log, the state and the table say, in the words of
`routerctl log`, `budget`, `health` and the report. A request has been admitted before it comes here.

`source`: where the pages get their data; `queries`: what they read from logs; `params`: a request's query string;
`render`: the HTML; `routes`: the endpoints, with the headers of every response.
"""

from routerctl.service.ui.routes import routes
from routerctl.service.ui.source import ShownPlace, UiSource, log_files, shown_places
