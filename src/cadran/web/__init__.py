"""The cockpit: pages, complete without JavaScript."""
