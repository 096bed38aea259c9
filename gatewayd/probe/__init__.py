"""What may be on a line and how to find out: which bytes to send at which rate, and what an answer means.

Rules: pure: no I/O, no clock, no driver. Nothing here carries a password or writes to a meter. `daemon/probe.py` does
what is planned here.

    frames.py    the few bytes of HDLC and Modbus that are needed to ask whether anybody is there
    attempts.py  one thing to try, what it may find, and the plan of all attempts
    advice.py    what to put into the configuration, and what to look at when nobody answered
"""
