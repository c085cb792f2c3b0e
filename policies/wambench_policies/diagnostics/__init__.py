"""What diagnostics of all methods share: splits by episode, regression, tables and figures."""
