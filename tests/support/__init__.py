"""What tests stand on: services, clients, customers, the fake upstream."""
