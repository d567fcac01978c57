"""
SIP: messages, transactions, dialogs, and the user agent that is made of them.

A core: no sockets, no clock, no chance of its own (see
:mod:`~twisted_siprec.sip.events` for its interface).
"""
