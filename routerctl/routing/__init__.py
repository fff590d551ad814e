"""An inquiry and routes.yaml -> an answer and the decision that says why.

Read downwards it is the story of a request: `batch` brings many, `router` is the one door, `tables` says which table
serves, `runtime` holds what is open, `route` goes down the steps, `places` asks those of one step, `hops` makes one
call. `doubt` stands beside: whether a reply is confident enough. Nothing is re-exported here: explaining is on the path
of every start and imports no asyncio, no SDK and no template engine.
"""
