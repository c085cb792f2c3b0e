"""Why a good checkpoint scores nothing: a policy beside demonstrations, and the usual mistakes.

moments   places of demonstrations at which a policy is asked, with what was done there
errors    how far its answers are from that
mistakes  what goes wrong between a policy and a suite, each as the change that would mend it
search    which changes make the error collapse
"""
