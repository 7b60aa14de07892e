"""Facts that several systems share: customers, deals, support tickets and activity, as landed."""
