"""What `wirewatch demo` needs besides the line itself: sample feeds (`feeds/`) and what is true of them.

The feeds are invented, outlets and news alike. Their dates are tokens, `{{rfc822 -35m}}` and `{{iso -95m}}` (units
m, h, d), which whoever serves them replaces with that long before now. `feeds/expected.toml` says of every entry to
which story it belongs and which watchlist should alert. Nothing here is read by any other command.
"""
