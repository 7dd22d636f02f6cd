"""The terminal interface: screens over the same runner, store and analyses as the command line.

`LlprobeApp` in app.py is the application, `Page` in page.py what its screens share. Nothing in here
loads a model: children do, or processes that outlive the interface.
"""
