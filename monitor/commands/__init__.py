"""The commands, a file a group: each reads arguments and calls the room that does the work."""
