"""An attempt's status where there is no HTTP status."""

REFUSED = 0  # connection refused or reset
TIMED_OUT = -1
CANCELLED = -2

# Never in a row: of an attempt that has not ended.
UNDER_WAY = -10
STREAMING = -11  # its first content has been shown
NOT_SENT = -12  # from here on down nothing has gone to the provider
NO_CONNECTION = -13  # nor will be: it got no connection in time
