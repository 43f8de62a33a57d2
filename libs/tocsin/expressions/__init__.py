"""Runtime expressions: jq with a native fast path, a cost class known before anything runs, and a sandbox for the rest.

libjq is the truth. Expressions are pure: they read their value and their variables and nothing else, so folding an input again
gives the same answer. What may take long is never evaluated inside a step; :mod:`tocsin.expressions.sandbox` can be killed.
"""

from tocsin.expressions.cost import Cost
from tocsin.expressions.failures import EvaluateElsewhere, ExpressionFailed, ExpressionInvalid
from tocsin.expressions.json_values import Json
from tocsin.expressions.program import Expression, compile_expression
from tocsin.expressions.template import Template, compile_condition, compile_template, expression_text, loosened, truthy

__all__ = [
    "Cost",
    "EvaluateElsewhere",
    "Expression",
    "ExpressionFailed",
    "ExpressionInvalid",
    "Json",
    "Template",
    "compile_condition",
    "compile_expression",
    "compile_template",
    "expression_text",
    "loosened",
    "truthy",
]
