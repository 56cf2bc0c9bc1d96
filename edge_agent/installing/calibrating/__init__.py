"""From which power on a machine idles and works."""
