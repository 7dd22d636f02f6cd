"""The screens, one module or package each; `Page` in ../page.py is what they share."""
