"""Booktape: record every trade and every order-book change, prove what was missed, publish each day."""

__version__ = "0.1.0"
