"""Where consumer streams go: WebSockets, the spool, and the embedded destination."""
