"""Routes and schemas of the trigger service."""
