"""Pages of people about what only the gateway knows; `portal.settings` names them."""
