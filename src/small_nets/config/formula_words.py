"""The names and signs that a typed formula may have, and what others write in their place."""

import ast

# Name -> the fewest and the most arguments.
FUNCTIONS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("abs", "sign", "step", "floor", "sqrt", "exp", "log"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh"), (1, 1)),
    **dict.fromkeys(("tanh", "sigmoid", "relu"), (1, 1)),
    **dict.fromkeys(("min", "max"), (2, 10)),
}
CONSTANTS = ("pi", "e")
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
SIGNS = (ast.UAdd, ast.USub)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# What other languages and textbooks call them.
ALSO = {"ln": "log", "log10": "log(x)/log(10)", "sgn": "sign", "heaviside": "step", "tg": "tan",
        "arctan": "atan", "arcsin": "asin", "arccos": "acos", "pow": "x**2", "square": "x**2",
        "fabs": "abs", "logistic": "sigmoid", "y": "x", "t": "x"}  # fmt: skip
WRITTEN = {
    "^": "**", "²": "**2", "³": "**3", "π": "pi", "√": "sqrt(x)", "|": "abs(x)",
    "%": "x - floor(x)", "≤": "<=", "≥": ">=", "[": "(", "]": ")", "{": "(", "}": ")",
    "\u2212": "-", "\u2013": "-", "\u00d7": "*", "·": "*", "÷": "/",
}  # fmt: skip
NOT_KNOWN = {
    ast.IfExp: "\nA choice is a product: (x > 0)*x + (x <= 0)*2",
    ast.BoolOp: "\nIt is written as a product: (x > 0)*(x < 1)",
    ast.Compare: "\nNumbers are compared by < <= > >=",
    ast.Tuple: "\nSeveral formulas are a sweep: -m 'data.formula=abs(x),sin(x)'",
}
ALLOWED = (
    "numbers, x (of several inputs x1, x2, …), pi, e, the signs + - * / ** < <= > >=, brackets, "
    f"and {', '.join(FUNCTIONS)}"
)
EXAMPLE = "'abs(x)'"
