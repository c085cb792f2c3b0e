"""World2Act (arXiv 2603.10422); see docs/world2act.md."""
