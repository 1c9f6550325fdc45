"""The constants of a Python module, with their lines: from its syntax alone, so nothing of it runs."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from blumeops.located import Fault, Located

Fields = Mapping[str, tuple[str, ...]]
"""The fields of each class of the module, in order."""


def read(text: str) -> tuple[Located, ...]:
    """The constants and classes of a module. Raises `Fault`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise Fault(f"not Python: {error}", getattr(error, "lineno", 0) or 0) from error
    fields = {node.name: _fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    return (_body(tree.body, 1, fields),)


def _fields(node: ast.ClassDef) -> tuple[str, ...]:
    """The fields of a dataclass in order, so that what stands in a call without a name has one."""
    return tuple(
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    )


def _body(body: list[ast.stmt], line: int, fields: Fields) -> Located:
    named: dict[str, Located] = {}
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                named[name] = _value(value, fields)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                named[name] = _value(value, fields)
            case ast.ClassDef(name=name):
                named[name] = _body(node.body, node.lineno, fields)
    return Located(line, members=named)


def _value(node: ast.expr, fields: Fields) -> Located:
    line, column = node.lineno, node.col_offset + 1
    match node:
        case ast.Constant(value=value):
            return Located(line, column, text=str(value))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return Located(line, column, text="-" + str(value))
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return Located(line, column, items=tuple(_value(one, fields) for one in elements))
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            named = {str(k.value): _value(v, fields) for k, v in pairs if isinstance(k, ast.Constant)}
            return Located(line, column, members=named)
        case ast.Call(func=called, args=positional, keywords=keywords) if keywords or positional:
            known = dict(enumerate(fields.get(getattr(called, "id", ""), ())))
            named = {known.get(n, str(n)): _value(one, fields) for n, one in enumerate(positional)}
            named |= {word.arg: _value(word.value, fields) for word in keywords if word.arg}
            return Located(line, column, members=named)
    return Located(line, column, text=ast.unparse(node))
