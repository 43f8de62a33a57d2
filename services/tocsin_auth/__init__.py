"""Who exists, who may do what, and who came in: users, roles, API keys, tokens, and logins to the bus."""
