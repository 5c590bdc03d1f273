"""The HTTP side: connections, routes, the service behind them, its control interface and its process."""
