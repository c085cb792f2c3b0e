"""An example of a package that plugs a policy and a suite into wambench."""
