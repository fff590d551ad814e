"""HTTP in front of the router: OpenAI's and Anthropic's APIs, for every request of an application.

    app -> request -> admission -> exchange -> routing/ -> forward -> response or streaming

`request` parses what a client sent, `admission` checks its key and limits (`keys`, `limits`), `exchange` takes it
through routing and settles it, `forward` calls one place with it, `response` and `streaming` answer the client in the
format of the API that it used. Where the provider has the same API, bytes pass untouched; otherwise `translate/`
converts. `observer` records what has ended (`metrics`, `tracing`, `access_log`); `worker` holds the table; `serve` runs
it all.
"""
