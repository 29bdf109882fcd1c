"""The payments sandbox: a stateful stand-in for Stripe, on the loopback only.

The official SDK talks to it unmodified. Its journal says what money was taken and
given back, so that it can be compared with the credits that were granted.
"""
