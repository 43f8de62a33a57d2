"""What an expression may not use, whatever it would cost.

An expression gives the same answer on every machine and every time it is folded again, and it reads nothing but its value and
its variables: no environment, no clock, no other input, no way out of the process.
"""

from collections.abc import Iterable, Iterator

from tocsin.expressions.lexer import Kind, Token, invalid

_READS = "reads what is not the expression's value or a variable"
REFUSED = {
    "env": f"'env' {_READS}",
    "input": f"'input' {_READS}",
    "inputs": f"'inputs' {_READS}",
    "input_filename": f"'input_filename' {_READS}",
    "input_line_number": f"'input_line_number' {_READS}",
    "get_search_list": f"'get_search_list' {_READS}",
    "get_prog_origin": f"'get_prog_origin' {_READS}",
    "get_jq_origin": f"'get_jq_origin' {_READS}",
    "modulemeta": f"'modulemeta' {_READS}",
    "import": "modules cannot be imported",
    "include": "modules cannot be included",
    "debug": "'debug' writes where nobody reads",
    "stderr": "'stderr' writes where nobody reads",
    "halt": "'halt' would end the process",
    "halt_error": "'halt_error' would end the process",
    "localtime": "'localtime' depends on the zone of the machine",
    "strflocaltime": "'strflocaltime' depends on the zone of the machine",
}
_HINTS = {
    "localtime": "Use 'gmtime'.",
    "strflocaltime": "Use 'strftime', which is UTC.",
    "env": "Pass the value in as input, or as a secret.",
    "halt_error": "Use 'error(message)'.",
    "halt": "Use 'error(message)', or the flow directive 'end'.",
}
REFUSED_VARIABLES = {
    "ENV": "'$ENV' reads the environment",
    "__loc__": "'$__loc__' is the place of the text, not data",
    "__prog_args": "'$__prog_args' is internal to jq",
}
# Ways to walk into a value by a computed path; on secrets they would defeat reading which secrets an expression uses.
_WALKS_SECRETS = frozenset({"getpath", "paths", "to_entries", "tostream", "walk"})


def flatten(tokens: Iterable[Token]) -> Iterator[Token]:
    """All tokens, those inside string interpolations too."""
    for token in tokens:
        yield token
        for part in token.parts:
            if not isinstance(part, str):
                yield from flatten(part)


def calls(tokens: tuple[Token, ...]) -> Iterator[Token]:
    """Tokens that name a function (or keyword): names that are not keys of an object under construction."""
    stack: list[str] = []
    for index, token in enumerate(tokens):
        for part in token.parts:
            if not isinstance(part, str):
                yield from calls(part)
        if token.kind is Kind.SIGN:
            if token.text in "([{":
                stack.append(token.text)
            elif token.text in ")]}":
                stack.pop()
        elif token.kind is Kind.NAME:
            before = tokens[index - 1] if index else None
            is_key = stack[-1:] == ["{"] and before is not None and before.kind is Kind.SIGN and before.text in "{,"
            if not is_key:
                yield token


def refuse(text: str, tokens: tuple[Token, ...]) -> None:
    """Refuse what no expression may use.

    Raises:
        ExpressionInvalid: With the position of the first offence.
    """
    walks: Token | None = None
    for token in calls(tokens):
        if reason := REFUSED.get(token.text):
            raise invalid(text, token.offset, f"{reason}; expressions may not use it", _HINTS.get(token.text))
        if token.text in _WALKS_SECRETS and walks is None:
            walks = token
    secret = False
    for token in flatten(tokens):
        if token.kind is Kind.VARIABLE:
            if reason := REFUSED_VARIABLES.get(token.text):
                raise invalid(text, token.offset, f"{reason}; expressions may not use it")
            secret = secret or token.text == "secrets"
    if secret and walks is not None:
        raise invalid(
            text, walks.offset, f"'{walks.text}' may not be used together with $secrets", "Name the secret: $secrets.name."
        )
