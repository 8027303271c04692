"""The nn.Modules that networks are made of: one a file, imported from its file."""
