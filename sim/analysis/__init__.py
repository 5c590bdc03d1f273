"""From rows to statements: estimators, metrics, breakdowns, utilization, budgets, comparisons, the summary."""
