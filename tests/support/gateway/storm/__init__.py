"""A storm: every operation through several processes that are killed meanwhile.

`plans` draws what is called, `scripts` what the upstream does about it, `clients` call,
`chaos` disturbs, `installation` is what is disturbed, `comparison` holds the ledger
(`books`) against the upstream's journal, call by call.
"""
