"""Pages of people that need what the gateway knows; portal names their URLs."""
