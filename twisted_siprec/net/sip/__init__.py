"""SIP on its transports: UDP, TCP and TLS around one user agent, and who may speak to it."""
