"""Networks: a whole model learned from photos, in stages that can be interrupted and resumed."""
