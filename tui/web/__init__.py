"""The interface in a browser on this machine: a server, whom it lets in, a process for each tab."""
