"""Telling people and programs what happened: events become mails and requests."""
